"""A store with something of everything a page can show, and readers of the page."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from seaformer.core.counts import Counts
from seaformer.core.measurement import DeviceInfo, Measurement
from seaformer.report.zoo import zoo_rows
from seaformer.store.results import ResultStore
from tests.fakes.measurements import HOST, NOISY, OFF_CORE, emulated, failed, measurement, method
from tests.fakes.reports import write_report_of

PHONE = replace(HOST, id="phone-a1", target="phone", model="Mi 10", architecture="aarch64")
TWIN = replace(PHONE, id="phone-b2")
EVIL = "</script><script>window.hacked = 1</script>\"'><img src=x onerror='window.hacked=2'>"
# Texts of pictures that are not wholly inside their picture.
TEXT_OUTSIDE = """
    const out = [];
    for (const svg of document.querySelectorAll('svg[role=img]')) {
      const { width, height } = svg.viewBox.baseVal;
      for (const text of svg.querySelectorAll('text')) {
        const b = text.getBBox();
        if (b.x < -1 || b.y < -3 || b.x + b.width > width + 1 || b.y + b.height > height + 1)
          out.push(text.textContent);
      }
    }
    return out;"""
VOID = {"input", "meta", "link", "br", "hr"}


def counted(instructions: int) -> Counts:
    return Counts(
        instructions=instructions,
        vector_fma=instructions,
        vector_other=0,
        scalar=0,
        branch=0,
        load=0,
        store=0,
        loaded_bytes=1,
        stored_bytes=1,
        fma_fp16=0,
        fma_fp32=instructions,
        instructions_before=1,
    )


def everything() -> list[Measurement]:
    """Two devices of one name, two precisions, parts, a history, an emulated and a failed run."""
    parts = {"forward": method(39.0), "stem": method(19.0, seed=1), "context": method(13.0, seed=2)}
    parts |= {"spatial": method(3.0, seed=3), "head": method(3.2, seed=4)}
    device = {"device": PHONE, "target": "phone"}
    core = replace(method(900.0, processes=1, count=1), counts=(counted(260_000_000),))
    return [
        measurement(1, methods={"forward": method(40.4)}, **device),
        measurement(2, methods=parts, artifact_sha256="ab" * 32, **device),
        measurement(3, methods={"forward": method(43.0)}, device=TWIN, target="phone"),
        measurement(4, precision="fp16", paper_latency_ms=22.0, methods=parts, **device),
        measurement(5, model="seaformer_s.ade20k", flags=(NOISY,), paper_latency_ms=67.0),
        measurement(6, model="seaformer_b.ade20k", flags=(OFF_CORE,), paper_latency_ms=106.0),
        failed(7),
        emulated(8, methods={"forward": core}),
    ]


def hostile() -> Measurement:
    """Text of every kind that tries to become markup."""
    device: DeviceInfo = replace(HOST, id="evil", model=EVIL, system=EVIL, properties={EVIL: EVIL})
    return measurement(
        9,
        model=EVIL,
        device=device,
        command=EVIL,
        runtime=EVIL,
        precision=EVIL,
        artifact_file=EVIL,
        runner=EVIL,
        flags=(replace(OFF_CORE, name=EVIL, detail=EVIL),),
    )


def page_of(root: Path, measurements: list[Measurement]) -> Path:
    """``report.html`` of a store with these measurements."""
    store = ResultStore(root)
    for made in measurements:
        store.append(made)
    write_report_of(root, zoo_rows())
    return root / "report.html"


def data(html: str, name: str) -> dict[str, Any]:
    """A document that the page's script reads."""
    match = re.search(rf'<script type="application/json" id="{name}">(.*?)</script>', html, re.S)
    assert match is not None
    document: dict[str, Any] = json.loads(match[1])
    return document


def whole(part: Any, shared: list[Any]) -> Any:
    """Data with what its numbers stand for, as the script reads it."""
    if isinstance(part, list):
        return [whole(one, shared) for one in part]
    return whole(shared[part], shared) if type(part) is int else part


def lines(html: str) -> dict[str, list[list[Any]]]:
    """By table, what the script draws of each run: its id, source, device and so on."""
    document = data(html, "lines")
    return {name: whole(part, document["shared"]) for name, part in document["tables"].items()}


def island(html: str) -> dict[str, Any]:
    """What the page's script opens: a record by run."""
    document = data(html, "runs")
    shared = document["shared"]
    records = {}
    for run, part in document["runs"].items():
        title, state, good, failure, flags, command, raw, groups = whole(part, shared)
        conditions, methods = whole(document["details"].get(run, [None, []]), shared)
        samples = document["samples"].get(run, {})
        records[run] = {
            "title": title,
            "state": state,
            "good": good,
            "failure": failure,
            "flags": flags,
            "command": command,
            "raw": raw,
            "facts": [[name, [pair for part in parts for pair in part]] for name, *parts in groups],
            "conditions": conditions,
            "methods": [
                {
                    "name": name,
                    "figures": figures,
                    "processes": processes,
                    "counts": counts,
                    "samples": samples.get(name),
                }
                for name, figures, processes, counts in methods
            ],
        }
    return records


class Elements(HTMLParser):
    """Every element with its attributes, text by element, and what is not balanced."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.stack: list[str] = []
        self.wrong: list[str] = []
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.said: list[tuple[str, str]] = []
        self.feed(html)
        self.close()
        self.wrong += [f"<{name}> is not closed" for name in self.stack]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if len({name for name, _ in attrs}) != len(attrs):
            self.wrong.append(f"<{tag}> has an attribute twice")
        if tag not in VOID:
            self.stack.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.stack or self.stack[-1] != tag:
            self.wrong.append(f"</{tag}> closes {self.stack[-1:]}")
        else:
            self.stack.pop()

    def handle_data(self, data: str) -> None:
        self.said.append((self.stack[-1] if self.stack else "", data))

    def of(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.found if tag == name]
