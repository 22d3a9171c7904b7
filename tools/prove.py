"""Export models, and record each outcome: ``python tools/prove.py GLOB...``.

Each model is exported at the smallest size it takes (``--size`` for another), in a folder that is
thrown away; what is kept of it goes to ``seaformer/core/proofs.json``, one export after the
other, so that an interrupted run loses one. ``--own-size`` exports at the model's own size into the
cache, where a bench finds the file; a file that a bench left there is proved by its manifest and is
not made again. After an interruption the same command continues where it stopped: what the current
sources proved is skipped (``--again`` exports it too, ``--missing`` skips what any sources proved).
An export that is refused is recorded with its reason, as a failure.

A proof of a size proves smaller sizes too, so a smaller export does not replace it unasked.

``--workers 2`` exports in processes of this machine, ``--scheduler ADDRESS`` on those of a Dask
cluster (docs/sweeps.md), a process for a model and precision; a worker that dies loses nothing, and
this process alone writes the file.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from seaformer.core import codec
from seaformer.core.artifact import Artifact, Delegation
from seaformer.core.engine import installed_formats
from seaformer.core.errors import ExportError, SeaFormerError
from seaformer.core.precision import BASE
from seaformer.core.proof import Proof, add, read
from seaformer.core.request import ExportRequest
from seaformer.export import (
    cache_folder,
    cached_export,
    export_request,
    find_export,
    sources_digest,
)
from seaformer.models import find_models, model_spec, smallest_size
from seaformer.sweep.cluster import cluster, each
from seaformer.sweep.task import TaskOrder, perform

FORMATS = ",".join(installed_formats())


def main() -> int:
    """Prove what the command line names; 1 when an export was refused, 2 for a bad request."""
    try:
        return _prove(_arguments())
    except SeaFormerError as error:
        print(f"Error: {error.message} {error.hint}".rstrip(), file=sys.stderr)
        return error.exit_code


def _prove(given: argparse.Namespace) -> int:
    sources = sources_digest()[:16]
    refused = 0
    trials = [
        Trial(name, format, precision, given.scope, _size(given, name), sources)
        for name in dict.fromkeys(name for glob in given.globs for name in find_models(glob))
        for precision in given.precision.split(",")
        for format in given.formats.split(",")
    ]
    if given.workers or given.scheduler:
        known = [one.is_known(any_sources=given.missing) for one in trials]
        due = [
            one for one, is_known in zip(trials, known, strict=True) if given.again or not is_known
        ]
        return _prove_on_cluster(due, given)
    for trial in trials:
        if given.again or not trial.is_known(any_sources=given.missing):
            proof = trial.proof(keep=given.own_size, again=given.again)
            refused += _kept(proof, print_only=given.print)
    return int(refused > 0)


def _kept(proof: Proof, *, print_only: bool = False) -> bool:
    """Write a proof, or print it as JSON; whether it is a failure."""
    if print_only:
        print(json.dumps(codec.to_json(proof)), flush=True)
        return False
    add(proof)
    line = f"{proof.model} {proof.words}: {proof.height}x{proof.width}, {proof.seconds:.0f} s"
    print(f"{line} {proof.failure}".rstrip(), flush=True)
    return bool(proof.failure)


def _prove_on_cluster(trials: Sequence[Trial], given: argparse.Namespace) -> int:
    """A model's trials in a process of a worker; 1 when one was refused or could not be tried."""
    groups: dict[str, list[Trial]] = {}
    for one in trials:
        groups.setdefault(f"{one.model} {one.precision}", []).append(one)
    here = str(Path(__file__).resolve())
    options = ["--own-size"] * given.own_size + ["--again"] * given.again
    orders = {
        key: TaskOrder((here, *_argv(group, options)), str(Path.cwd()))
        for key, group in groups.items()
    }
    refused = 0
    with cluster(given.scheduler, given.workers) as client:
        for ended in each(client, perform, orders, "prove"):
            answer = ended.answer
            if answer is None or answer.code != 0:
                print(f"{ended.key} was not tried: {ended.error or (answer and answer.message)}")
                refused += 1
            for line in answer.output.splitlines() if answer else ():
                if line.startswith("{"):  # libraries print, too
                    refused += _kept(codec.decode(Proof, line.encode(), where=ended.key))
    return int(refused > 0)


def _argv(group: Sequence[Trial], options: Sequence[str]) -> tuple[str, ...]:
    """The command line that tries a model's formats in one precision, and prints the proofs."""
    one, formats = group[0], ",".join(trial.format for trial in group)
    size = () if "--own-size" in options else ("--size", f"{one.size[0]}x{one.size[1]}")
    kind = ("--formats", formats, "--precision", one.precision, "--scope", one.scope)
    return (one.model, *kind, *size, *options, "--print")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("globs", nargs="*", default=["*"])
    parser.add_argument("--formats", default=FORMATS)
    parser.add_argument("--precision", default=BASE.name)
    parser.add_argument("--scope", default="logits")
    sizes = parser.add_mutually_exclusive_group()
    sizes.add_argument("--size", type=size, help="HxW; the smallest the model takes when absent")
    sizes.add_argument("--own-size", action="store_true", help="and keep the file in the cache")
    parser.add_argument("--again", action="store_true", help="also what is proved already")
    parser.add_argument("--workers", type=int, default=0, help="processes of this machine")
    parser.add_argument("--scheduler", default="", help="address of a Dask scheduler")
    parser.add_argument("--print", action="store_true", help="JSON instead of the file")
    parser.add_argument("--missing", action="store_true", help="only what was never proved")
    return parser.parse_args()


def size(text: str) -> tuple[int, int]:
    """``512x1024`` is height 512, width 1024."""
    height, width = (int(side) for side in text.split("x"))
    return height, width


def _size(given: argparse.Namespace, name: str) -> tuple[int, int]:
    spec = model_spec(name)
    own = (spec.height, spec.width) if given.own_size else smallest_size(name)
    return given.size or own


@dataclass(frozen=True)
class Trial:
    """One export to be tried; ``sources`` is the digest of the code that does it."""

    model: str
    format: str
    precision: str
    scope: str
    size: tuple[int, int]
    sources: str

    def is_known(self, *, any_sources: bool) -> bool:
        """Whether the file has its outcome already, at this size or a larger one."""
        read.cache_clear()  # another run may have written meanwhile
        kind = (self.model, self.format, self.precision, self.scope)
        return any(
            proof.kind == kind
            and (any_sources or proof.sources == self.sources)
            and proof.height >= self.size[0]
            and proof.width >= self.size[1]
            for proof in read().of(self.model)
        )

    def proof(self, *, keep: bool, again: bool = False) -> Proof:
        """Export once; the outcome, also of an export that was refused.

        With ``keep`` and without ``again`` a file that is in the cache is taken as it is: code of
        today made it.
        """
        own = ExportRequest(self.model, self.format, self.precision, scope=self.scope)
        if keep and not again and (known := find_export(own)) is not None:
            return self._proved(known, sum(step.seconds for step in known.steps))
        began = time.perf_counter()
        try:
            artifact = _export_into_cache(own) if keep else self._export()
        except ExportError as error:
            return self._failed(error.message, time.perf_counter() - began)
        return self._proved(artifact, time.perf_counter() - began)

    def _export(self) -> Artifact:
        with tempfile.TemporaryDirectory() as folder:
            request = ExportRequest(self.model, self.format, self.precision, self.size, self.scope)
            return export_request(request, folder)

    def _proved(self, artifact: Artifact, seconds: float) -> Proof:
        delegation = artifact.delegation
        return replace(
            self._tried(seconds),
            relative_error=artifact.parity.relative_error,
            created_at=artifact.created_at,
            tools=artifact.tools,
            subgraphs=delegation.subgraphs if delegation else None,
            delegated_ops=delegation.delegated_ops if delegation else None,
            outside=_outside(delegation),
        )

    def _failed(self, reason: str, seconds: float) -> Proof:
        return replace(self._tried(seconds), failure=" ".join(reason.split()))

    def _tried(self, seconds: float) -> Proof:
        """The fields that a proof and a failure share."""
        return Proof(
            model=self.model,
            format=self.format,
            precision=self.precision,
            height=self.size[0],
            width=self.size[1],
            relative_error=None,
            seconds=round(seconds, 1),
            created_at=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
            tools={},
            scope=self.scope,
            sources=self.sources,
        )


def _export_into_cache(request: ExportRequest) -> Artifact:
    """In the place of a file that is there, with all that lets a bench find it."""
    shutil.rmtree(cache_folder(request), ignore_errors=True)
    return cached_export(request)


def _outside(delegation: Delegation | None) -> dict[str, int] | None:
    """The operators that compute outside the delegate, by name."""
    if delegation is None:
        return None
    return {op.op: op.count for op in delegation.outside if op.computes}


if __name__ == "__main__":
    sys.exit(main())
