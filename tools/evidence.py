"""Counts of models of the zoo for estimates: rows of ``seaformer/estimate/evidence.json``.

    python tools/evidence.py [--precision P] [--format F] MODEL...     # adds or replaces rows

One warm inference of each on an emulated Cortex-A76, with cache misses, priced by LLVM: a minute or
two for a model of 500 M instructions; ``--no-caches`` leaves the misses out, which no scale needs,
and takes two thirds of that. ``estimate calibrate`` and ``make docs`` come after.
"""

from __future__ import annotations

import argparse
import sys

from seaformer.bench.code_blocks import block_profile
from seaformer.bench.target import TargetOptions
from seaformer.bench.targets.emulator import EmulatorTarget, open_target
from seaformer.core import codec, files, zoo
from seaformer.core.artifact import Artifact
from seaformer.core.engine import DEFAULT_FORMAT, engine_of
from seaformer.core.plan import RunPlan
from seaformer.core.precision import BASE
from seaformer.core.request import ExportRequest
from seaformer.estimate import evidence as known
from seaformer.estimate.cost import find_llvm, price
from seaformer.estimate.run import qemu_version
from seaformer.export import cached_export

CORE = "cortex-a76"


def main() -> None:
    """Count each model, and write the file after every one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--precision", default=BASE.name)
    parser.add_argument("--format", default=DEFAULT_FORMAT)
    parser.add_argument("--no-caches", action="store_true")
    order = parser.parse_args()
    options = TargetOptions(
        engines=(engine_of(order.format).name,), notice=_say, misses=not order.no_caches
    )
    target = open_target(_say, CORE, options=options)
    for model in order.models:
        request = ExportRequest(model=model, format=order.format, precision=order.precision)
        row = _row(target, cached_export(request, _say))
        _keep(row)
        _say(f"{row.model} {row.engine} {row.precision}: {row.instructions} instructions")


def _row(target: EmulatorTarget, artifact: Artifact) -> known.Evidence:
    profile = block_profile(target, RunPlan(), artifact)
    llvm = find_llvm()
    cost = price(profile.blocks, llvm)
    head = profile.head
    caches = head.counts.caches
    outside = artifact.delegation.outside if artifact.delegation else ()
    return known.Evidence(
        model=head.model,
        engine=head.runtime,
        precision=head.precision,
        core=CORE,
        artifact_sha256=head.artifact_sha256,
        macs=zoo.entries()[head.model].macs,
        instructions=head.counts.instructions,
        cycles=round(cost.cycles, 2),
        unpriced=cost.unpriced,
        memory_lines=caches.system_misses + caches.memory_writes if caches else None,
        qemu=qemu_version(head.device),
        llvm=llvm.version,
        engine_version=head.runtime_version,
        operators=artifact.operators,
        outside=tuple(each.op for each in outside if each.computes),
    )


def _keep(row: known.Evidence) -> None:
    others = [each for each in known.read() if _key(each) != _key(row)]
    rows = tuple(sorted([*others, row], key=_key))
    files.write_json(known.FILE, codec.to_json(known.EvidenceFile(known.SCHEMA, rows)))


def _key(row: known.Evidence) -> tuple[str, str, str]:
    return row.model, row.engine, row.precision


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
