"""What ``tools/prove.py`` refuses before it exports anything."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[1] / "tools" / "prove.py"


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("no_such*",), "No model matches 'no_such*'"),
        (("seaformer_t.*", "retinanet_t"), "Unknown model 'retinanet_t'"),
        (("seaformer_t", "--own-size", "--size", "64x64"), "not allowed with argument"),
        (("seaformer_t", "--size", "64"), "invalid size value: '64'"),
        (("seaformer_t.imagenet", "--scope", "boxes", "--again"), "logits or argmax, not boxes"),
        (("seaformer_t.imagenet", "--formats", "onx", "--again"), "Did you mean onnx?"),
    ],
)
def test_what_cannot_be_proved_is_refused_in_one_sentence(
    arguments: tuple[str, ...], part: str
) -> None:
    done = subprocess.run(
        [sys.executable, TOOL, *arguments], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert part in done.stderr
    assert "Traceback" not in done.stderr
