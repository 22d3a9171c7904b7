"""Export models, and write down which formats were proved: ``python tools/prove.py GLOB...``.

Each model is exported in FP32 at the smallest size it takes (``--size`` for another), in a folder
that is thrown away; what is kept of it goes to ``seaformer/models/proofs.json``, one model after
the other, so that an interrupted run loses one. Models that are there already are skipped
(``--again`` does them too). A failed export is said and is no proof.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from seaformer.core.artifact import Artifact
from seaformer.core.errors import SeaFormerError
from seaformer.models import list_models, smallest_size
from seaformer.models._proofs import Proof, read, write

FORMATS = ("onnx", "executorch")


def main() -> int:
    """Prove what the command line names; 1 when an export failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("globs", nargs="*", default=["*"])
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--formats", default=",".join(FORMATS))
    parser.add_argument("--size", default="", help="HxW")
    given = parser.parse_args()
    size = tuple(int(side) for side in given.size.split("x")) if given.size else None
    names = dict.fromkeys(name for glob in given.globs for name in list_models(glob))
    failed = 0
    for name in names:
        for format in given.formats.split(","):
            if given.again or all(p.format != format for p in read().of(name)):
                failed += not prove(name, format, size)
    return int(failed > 0)


def prove(name: str, format: str, size: tuple[int, ...] | None) -> bool:
    """Export once and write the proof down; False when it failed."""
    from seaformer.export import export_model

    height, width = size or smallest_size(name)
    began = time.perf_counter()
    try:
        with tempfile.TemporaryDirectory() as folder:
            artifact = export_model(name, format=format, size=(height, width), out=Path(folder))
    except SeaFormerError as error:
        print(f"{name} {format}: {error}", file=sys.stderr, flush=True)
        return False
    proof = _proof(artifact, name, (height, width), time.perf_counter() - began)
    read.cache_clear()  # another run may have written meanwhile
    write(read().adding(proof))
    read.cache_clear()
    print(f"{name} {proof.words}: {height}x{width}, {proof.seconds:.0f} s", flush=True)
    return True


def _proof(artifact: Artifact, name: str, size: tuple[int, int], seconds: float) -> Proof:
    found = artifact.delegation
    return Proof(
        model=name,
        format=artifact.format,
        precision=artifact.precision,
        height=size[0],
        width=size[1],
        relative_error=artifact.parity.relative_error,
        seconds=round(seconds, 1),
        created_at=artifact.created_at,
        tools=artifact.tools,
        subgraphs=found.subgraphs if found else None,
        delegated_ops=found.delegated_ops if found else None,
        outside={op.op: op.count for op in found.outside if op.computes} if found else None,
    )


if __name__ == "__main__":
    sys.exit(main())
