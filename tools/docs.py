"""Write the generated parts of README.md and docs/: ``python tools/docs.py``.

    python tools/docs.py            # rewrite every block whose source has changed
    python tools/docs.py --check    # list stale pages; exit code 1 when there is one

A block starts with ``<!-- NAME: make docs -->`` and ends with ``<!-- end of NAME -->``. Its text
comes from the index of models, the proofs of exports or the stored results, never from a hand.
"""

from __future__ import annotations

import argparse
import csv
import re
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

from seaformer.core import paper
from seaformer.core.proof import Proof, read
from seaformer.core.spec import PaperRow
from seaformer.estimate import goals, trials, worth
from seaformer.models import list_models, model_spec
from seaformer.models.trained import curves, trained_weights
from seaformer.report.differences import differences_markdown, own_figures_markdown
from seaformer.report.renderers.terminal import run_page
from seaformer.report.reproduced import reproduced_markdown
from seaformer.report.terminal import plain
from seaformer.report.zoo import (
    ExportRow,
    ZooRow,
    absent_markdown,
    exports_markdown,
    markdown_table,
    zoo_rows,
)
from seaformer.store.results import ResultStore

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
RESULTS = ROOT / "results"
COLUMNS = 100  # of the terminal that the README shows
# What it shows: one bench of SeaFormer-T in both formats, by the ends of the measurements' ids.
DEMO = ("d571bfc0", "658197b0")
_ZOO = (
    "model",
    "input",
    "classes",
    "params M",
    "MACs G",
    "FLOPs G",
    "paper's row",
    "paper M (diff)",
    "paper G (diff)",
    "paper ms",
)
_BLOCK = re.compile(r"<!-- ([a-z0-9_ ]+): make docs -->\n.*?<!-- end of \1 -->\n", re.DOTALL)
# The rows of the README's table; the first one is what the others are divided by.
_SHOWN = {
    "seaformer_t": "SeaFormer-T",
    "seaformer_s": "SeaFormer-S",
    "seaformer_b": "SeaFormer-B",
    "seaformer_l": "SeaFormer-L",
    "topformer_b": "TopFormer-B",
    "segformer_b0": "SegFormer-B0",
}


def main() -> int:
    """Rewrite or check the blocks; 1 when ``--check`` finds a stale one."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing, list stale pages")
    options = parser.parse_args()
    stale = [page for page in pages() if fresh(text := _read(page)) != text]
    for page in stale:
        if not options.check:
            page.write_text(fresh(_read(page)), encoding="utf-8")
        print(page.relative_to(ROOT))
    drawn = [path for path, draw in PICTURES.items() if not path.exists() or _read(path) != draw()]
    for path in drawn:
        if not options.check:
            path.write_text(PICTURES[path](), encoding="utf-8")
        print(path.relative_to(ROOT))
    return int(options.check and bool(stale or drawn))


def pages() -> Iterator[Path]:
    """README.md and every page of docs/."""
    yield README
    yield from sorted((ROOT / "docs").glob("*.md"))


def blocks(text: str) -> list[str]:
    """The names of the generated blocks of one page."""
    return [match.group(1) for match in _BLOCK.finditer(text)]


def fresh(text: str) -> str:
    """``text`` with every generated block rewritten."""
    return _BLOCK.sub(lambda match: _block(match.group(1)), text)


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _block(name: str) -> str:
    maker, _, rest = name.partition(" ")
    body = MAKERS[maker](*rest.split())
    return f"<!-- {name}: make docs -->\n\n{body}\n<!-- end of {name} -->\n"


def demo() -> str:
    """What a bench prints of the measurements named in ``DEMO``, on a terminal of ``COLUMNS``."""
    stored = ResultStore(RESULTS).load().measurements
    measurements = [one for end in DEMO for one in stored if one.id.endswith(end)]
    return f"```\n{plain(run_page(measurements), COLUMNS)}```\n"


def family(name: str) -> str:
    """One family of the zoo: what each model costs, and the paper's figures where it has a row."""
    rows = [_zoo_cells(row) for row in zoo_rows() if row.spec.family == name]
    filled = [column for column in range(len(_ZOO)) if any(row[column] for row in rows)]
    cells = ([row[column] for column in filled] for row in rows)
    return markdown_table((_ZOO[column] for column in filled), cells)


def _zoo_cells(row: ZooRow) -> tuple[str, ...]:
    spec, paper_row = row.spec, row.spec.paper or PaperRow("", "")
    table = paper.table_number(paper_row.table)
    figures = zip((paper_row.params_m, paper_row.flops_g), row.differences_percent, strict=True)
    return (
        spec.name,
        f"{spec.height}x{spec.width}",
        str(spec.classes),
        f"{row.params / 1e6:.2f}",
        f"{row.macs / 1e9:.3f}",
        f"{row.flops / 1e9:.3f}",
        f"{table}: {paper_row.label}" if table else "",
        *("" if one is None else f"{one:g} ({percent:+.1f} %)" for one, percent in figures),
        "" if paper_row.latency_ms is None else f"{paper_row.latency_ms:g}",
    )


def count() -> str:
    """How many models there are, and of how many families."""
    names = list_models()
    families = {model_spec(name).family for name in names}
    return f"{len(names)} models in {len(families)} files of `seaformer/models`.\n"


def exports() -> str:
    """Every export that was tried, and how many there are."""
    proofs = [proof for model in list_models() for proof in read().of(model)]
    return f"{_summary(proofs)}\n{exports_markdown(map(_row, proofs))}"


def _summary(proofs: list[Proof]) -> str:
    proved = [proof for proof in proofs if not proof.failure]
    lowered = [proof for proof in proved if proof.subgraphs is not None]
    whole = [p for p in lowered if p.subgraphs == 1 and not sum((p.outside or {}).values())]
    models = len({proof.model for proof in proved})
    return (
        f"{len(proved)} exports of {models} of {len(list_models())} models are proved, "
        f"{len(proofs) - len(proved)} refused. Of {len(lowered)} ExecuTorch programs {len(whole)} "
        "are one XNNPACK subgraph with no computing operator outside.\n"
    )


def _row(proof: Proof) -> ExportRow:
    size = f"{proof.height}x{proof.width}"
    head = (proof.model, proof.format, proof.precision, proof.scope, size)
    if proof.failure:
        return ExportRow(*head, "", f"refused: {proof.failure}", "", f"{proof.seconds:.0f}")
    outside = ", ".join(f"{count} {name}" for name, count in (proof.outside or {}).items())
    return ExportRow(
        *head,
        subgraphs="" if proof.subgraphs is None else str(proof.subgraphs),
        outside="" if proof.subgraphs is None else outside or "0",
        error=f"{proof.relative_error:.1e}",
        seconds=f"{proof.seconds:.0f}",
    )


def rewrites() -> str:
    """Every rewrite of an export, where it applies and why. Imports torch."""
    from seaformer.export.rewrites import list_graph_rules, list_rules

    cells = [(f"`{rule.name}`", rule.where, rule.reason) for rule in list_rules()]
    cells += [(f"`{rule.name}`", rule.where, rule.reason) for rule in list_graph_rules()]
    return markdown_table(("rewrite", "applies to", "reason"), cells)


def distillations() -> str:
    """Every method of distillation: its losses with their factors, and the paper's mIoU."""
    from seaformer.training.distillation import methods

    rows = methods().values()
    factors = ((r.weights.cls, r.weights.cross, r.weights.feat, r.weights.out) for r in rows)
    cells = (
        (f"`{row.name}`", row.resolution, *map("{:g}".format, each), f"{row.published_miou:g}")
        for row, each in zip(rows, factors, strict=True)
    )
    return markdown_table(("method", "teacher", "cls", "cross", "feat", "out", "mIoU"), cells)


def trained() -> str:
    """The weights that come with seaformer: how accurate they are, and what repeats them."""
    rows = trained_weights().values()
    between = {row.name: f" ({row.low} to {row.high})" * bool(row.low) for row in rows}
    cells = (
        (f"`{row.name}`", f"{row.metric} {row.value:.2f} %{between[row.name]}",
         f"{row.path.stat().st_size / 1e6:.1f} MB")
        for row in rows
    )  # fmt: skip
    lines = dict.fromkeys(line for row in rows for line in (row.data, row.train))
    commands = "".join(f"{line}\n" for line in lines)
    table = markdown_table(("weights", "validation", "file"), cells)
    return f"{table}\n```sh\n{commands}```\n"


def onnx_operators() -> str:
    """Every operator of ONNX that becomes a function of PyTorch, in one paragraph."""
    from seaformer.export._onnx.operators import OPERATORS

    evaluated = ["Constant", "Shape", "Size"]
    text = ", ".join(sorted([*OPERATORS, *evaluated], key=str.lower))
    return textwrap.fill(f"{text}.", 100, break_on_hyphens=False) + "\n"


def beside() -> str:
    """A few rows of table 2: the paper's milliseconds, this repository's, and instructions.

    In parentheses each figure over the first row's.
    """
    headers = ("model", "paper: Snapdragon 865, TNN, ms", "AMD EPYC core, ms")
    figures = [_figures(f"{name}.ade20k") for name in _SHOWN]
    cells = (
        (label, *(f"{form} ({one / first:.2f})" for form, one, first in _forms(row, figures[0])))
        for label, row in zip(_SHOWN.values(), figures, strict=True)
    )
    return markdown_table((*headers, "emulated Cortex-A76, million instructions"), cells)


def _forms(
    row: tuple[float, float, float], first: tuple[float, float, float]
) -> Iterator[tuple[str, float, float]]:
    """Each figure as it is printed, and with the first row's."""
    formats = ("{:g}", "{:.2f}", "{:.0f}")
    return (
        (form.format(one), one, base) for form, one, base in zip(formats, row, first, strict=True)
    )


def _figures(model: str) -> tuple[float, float, float]:
    """The paper's milliseconds, ours with ExecuTorch on the host, and million instructions."""
    line = model_spec(model).paper
    assert line is not None
    assert line.latency_ms is not None
    host = _newest("latency.csv", model, target="host")
    emulated = _newest("emulated.csv", model, target="emulator")
    return line.latency_ms, float(host["median_ms"]), float(emulated["instructions"]) / 1e6


def _newest(table: str, model: str, **cells: str) -> dict[str, str]:
    """The newest valid ExecuTorch row of a whole network in FP32, as ``results/tables`` has it."""
    cells |= {"model": model, "runtime": "executorch", "precision": "fp32", "valid": "true"}
    cells |= {"method": "forward", "scope": "logits", "height": "512", "width": "512"}
    with (RESULTS / "tables" / table).open(encoding="utf-8", newline="") as handle:
        rows = [row for row in csv.DictReader(handle) if cells.items() <= row.items()]
    return max(rows, key=lambda row: row["created_at"])


MAKERS: dict[str, Callable[..., str]] = {
    "zoo": family,
    "count": count,
    "absent": lambda: absent_markdown(paper.absent()),
    "differences": lambda: differences_markdown(zoo_rows(), paper.differences()),
    "own_figures": lambda: own_figures_markdown(zoo_rows(), paper.own_figures()),
    "reproduced": lambda: reproduced_markdown(RESULTS / "reproduced"),
    "exports": exports,
    "onnx_operators": onnx_operators,
    "rewrites": rewrites,
    "beside": beside,
    "demo": demo,
    "distillations": distillations,
    "trained": trained,
    "estimates": worth.errors,
    "estimates_goals": goals.goals,
    "estimates_uncounted": goals.uncounted,
    "estimates_worth": worth.worth,
    "estimates_families": worth.families,
    "estimates_phones": worth.phones,
    "estimates_tried": trials.tried,
    "estimates_here": lambda: worth.here(RESULTS),
}

PICTURES: dict[Path, Callable[[], str]] = {
    ROOT / "docs/pictures/estimate.svg": worth.drawing,
    ROOT / "docs/pictures/training.svg": curves.drawing,
}


if __name__ == "__main__":
    sys.exit(main())
