"""Real exports of a small SeaFormer-T that several folders of tests look at, each made once."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from pathlib import Path

from seaformer.core.artifact import Artifact

SIZE = (64, 96)


@functools.cache
def small(format: str, precision: str = "fp32", *, components: bool = False) -> Artifact:
    """SeaFormer-T at 64x96. Lowering to ExecuTorch takes 12 s, half a minute with components."""
    import torch

    from seaformer.export import export_model

    torch.set_num_threads(1)
    out = Path(tempfile.mkdtemp(prefix="seaformer-made-"))
    atexit.register(shutil.rmtree, out, ignore_errors=True)
    return export_model(
        "seaformer_t",
        format=format,
        precision=precision,
        size=SIZE,
        components=components,
        out=out,
    )
