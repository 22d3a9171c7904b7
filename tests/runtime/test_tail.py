"""The tail: equal to the argmax of the resized logits, compiled, in numpy and on ARM."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from seaformer.core.cpu import find_emulated
from seaformer.core.errors import SeaFormerError, ShapeError
from seaformer.runtime import tail
from seaformer.runtime.build import tail as build
from seaformer.runtime.build.runner import SOURCES
from seaformer.runtime.tail import _library
from tests import arm
from tests.requirements import require

SIZES = (  # (K, h, w), the size of the result, the size of a first resize
    ((150, 16, 12), (128, 96), None),  # every factor of a head: 8, 4, 16
    ((19, 9, 11), (36, 44), None),
    ((21, 5, 4), (80, 64), None),
    ((19, 7, 9), (50, 77), None),
    ((3, 1, 1), (5, 7), None),
    ((4, 20, 30), (7, 11), None),
    ((19, 8, 8), (53, 75), (64, 64)),
    ((6, 20, 30), (17, 8), (9, 5)),
    ((7, 5, 3), (1, 1), (40, 24)),
)
CROSS = "aarch64-linux-gnu-g++"


def logits_of(shape: tuple[int, int, int], kind: str, dtype: str) -> np.ndarray:
    """Noise, a smooth map (few classes survive), or small whole numbers (many ties)."""
    rng = np.random.default_rng(sum(shape))
    if kind == "ties":
        return rng.integers(-3, 3, shape).astype(dtype)
    values = rng.standard_normal(shape) * 9
    if kind == "smooth":
        weights = np.exp(-(np.subtract.outer(np.arange(shape[1]), np.arange(shape[1])) ** 2) / 8)
        values = np.einsum("yz,kzx->kyx", weights, values)
    return np.clip(values, -120, 120).astype(dtype)


def by_torch(
    logits: np.ndarray, size: tuple[int, int], through: tuple[int, int] | None
) -> torch.Tensor:
    value = torch.from_numpy(logits.astype(np.float32))[None]
    for step in [size] if through is None else [through, size]:
        value = F.interpolate(value, size=step, mode="bilinear", align_corners=False)
    return value[0]


@pytest.mark.parametrize(("shape", "size", "through"), SIZES)
@pytest.mark.parametrize("dtype", ["float32", "float16", "int8"])
@pytest.mark.parametrize("kind", ["noise", "smooth", "ties"])
def test_every_pixel_is_the_argmax_of_the_resized_logits(
    shape: tuple[int, int, int],
    size: tuple[int, int],
    through: tuple[int, int] | None,
    dtype: str,
    kind: str,
) -> None:
    logits = logits_of(shape, kind, dtype)
    plain = tail.argmax(logits, size, through=through, confidence=True, library=False)
    if tail.is_compiled():
        compiled = tail.argmax(logits, size, through=through)
        assert compiled.by == "c++"
        np.testing.assert_array_equal(compiled.classes, plain.classes)
    expected = by_torch(logits, size, through)
    # Where torch has another class, its two values are a rounding of single precision apart.
    taken = torch.from_numpy(plain.classes.astype(np.int64))[None]
    behind = expected.max(0).values - expected.gather(0, taken)[0]
    rounding = 4 * np.finfo(np.float32).eps * float(np.abs(logits.astype(np.float32)).max())
    assert float(behind.max()) <= rounding
    exact = all(side % own == 0 and (side // own) & (side // own - 1) == 0
                for side, own in zip(size, shape[1:], strict=True))  # fmt: skip
    if exact and through is None and dtype == "int8":  # every product is exact: ties are ties
        np.testing.assert_array_equal(plain.classes, expected.argmax(0).numpy())


@pytest.mark.parametrize("through", [None, (64, 64)])
def test_confidence_is_the_softmax_of_the_class_that_won(through: tuple[int, int] | None) -> None:
    logits = logits_of((19, 8, 8), "smooth", "float32")
    expected = torch.softmax(by_torch(logits, (48, 80), through), 0).max(0).values.numpy()
    for library in (True, False):
        rated = tail.argmax(logits, (48, 80), through=through, confidence=True, library=library)
        assert rated.confidence is not None
        np.testing.assert_allclose(rated.confidence, expected, atol=2e-5)


def test_int8_logits_have_the_confidence_of_their_scale() -> None:
    logits = logits_of((5, 4, 4), "noise", "int8")
    confidence = tail.argmax(logits, (16, 16), confidence=True, scale=0.05).confidence
    assert confidence is not None
    real = by_torch(logits.astype(np.float32) * np.float32(0.05), (16, 16), None)
    np.testing.assert_allclose(confidence, torch.softmax(real, 0).max(0).values.numpy(), atol=1e-5)


def test_few_classes_are_interpolated_where_the_map_is_smooth() -> None:
    require(tail.is_compiled(), "no C++ compiler", "sudo apt-get install g++")
    regions = np.full((150, 16, 16), -20, np.float32)
    regions[:9] = -5  # the nine that are seen at all
    regions[:5, :, :8], regions[5:9, :, 8:] = 4, 4
    regions[2, :, :8], regions[7, :, 8:] = 9, 9
    # Of 16 columns of cells 15 have one, and the border between the halves has all nine.
    assert tail.argmax(regions, (128, 128)).survivors == (15 * 1 + 9) / 16


@pytest.mark.parametrize(
    ("logits", "size", "message"),
    [
        (np.zeros((2, 3), np.float32), (8, 8), "must be (K, h, w)"),
        (np.zeros((2, 4, 4), np.float64), (8, 8), "must be float32 or float16 or int8"),
        (np.zeros((2, 4, 4), np.float32), (0, 8), "from 1 to"),
        (np.full((2, 4, 4), np.nan, np.float32), (8, 8), "must be finite"),
        (np.full((2, 4, 4), np.inf, np.float16), (8, 8), "must be finite"),
    ],
)
def test_what_cannot_be_judged_is_refused(
    logits: np.ndarray, size: tuple[int, int], message: str
) -> None:
    with pytest.raises(ShapeError) as error:
        tail.argmax(logits, size)
    assert message in error.value.message


def test_without_a_compiler_numpy_computes_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("CXX", "")
    _library.load.cache_clear()
    try:
        assert tail.argmax(np.zeros((2, 2, 2), np.float32), (4, 4)).by == "numpy"
    finally:
        monkeypatch.undo()
        _library.load.cache_clear()


@pytest.mark.slow
def test_a_library_that_was_changed_is_built_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require(tail.is_compiled(), "no C++ compiler", "sudo apt-get install g++")
    monkeypatch.setenv("SEAFORMER_CACHE", str(tmp_path))
    library = build.tail_library()
    content = library.read_bytes()
    library.write_bytes(content[:100])
    assert build.tail_library() == library
    assert len(library.read_bytes()) == len(content)


def test_a_build_that_fails_is_an_error_with_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiler = tmp_path / "bad-compiler"
    compiler.write_text("#!/bin/sh\necho 'no vectors here' >&2\nexit 1\n")
    compiler.chmod(0o755)
    monkeypatch.setenv("SEAFORMER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("CXX", str(compiler))
    with pytest.raises(SeaFormerError, match="The tail could not be built"):
        build.tail_library()


_PROGRAM = """
#include "tail.h"
#include <cstdio>
#include <vector>
int main(int, char** argv) {
  FILE* in = std::fopen(argv[1], "rb");
  SeaformerTailJob job{};
  while (std::fread(&job.kind, sizeof(int32_t), 8, in) == 8) {
    const size_t size[] = {4, 2, 1};
    std::vector<char> logits(static_cast<size_t>(job.classes) * job.height * job.width *
                             size[job.kind]);
    if (std::fread(logits.data(), 1, logits.size(), in) != logits.size()) return 1;
    job.logits = logits.data();
    job.scale = 1;
    std::vector<uint16_t> best(static_cast<size_t>(job.out_height) * job.out_width);
    if (seaformer_tail(&job, best.data(), nullptr, nullptr) != 0) return 2;
    std::fwrite(best.data(), 2, best.size(), stdout);
  }
}
"""


def test_an_arm_core_computes_the_same_classes(tmp_path: Path) -> None:
    require(shutil.which(CROSS), f"no {CROSS}", "sudo apt-get install g++-aarch64-linux-gnu")
    source, program, jobs = tmp_path / "main.cpp", tmp_path / "main", tmp_path / "jobs"
    source.write_text(_PROGRAM)
    argv = [CROSS, *build.EXACT, "-static", f"-I{SOURCES}"]
    argv += [str(source), str(SOURCES / "tail.cpp"), "-o", str(program)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    expected = b""
    with jobs.open("wb") as file:
        for shape, size, through in SIZES:
            for code, dtype in enumerate(("float32", "float16", "int8")):
                logits = logits_of(shape, "noise" if code else "smooth", dtype)
                file.write(struct.pack("<8i", code, *shape, *(through or (0, 0)), *size))
                file.write(logits.tobytes())
                answer = tail.argmax(logits, size, through=through, library=False)
                expected += answer.classes.tobytes()
    argv = arm.needed(arm.qemu).argv(find_emulated(arm.A76), [str(program), str(jobs)])
    run = subprocess.run(argv, capture_output=True, check=False, timeout=120, env={})
    assert run.returncode == 0, run.stderr
    assert run.stdout == expected
