"""The counting plugin, on ARM programs of a few instructions whose counts can be told by hand."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from seaformer.core.code_blocks import Block
from seaformer.core.counts import CacheMisses, Counts, executed_precision, spread, typical
from seaformer.core.errors import MissingExtra, RunnerFailed
from seaformer.runtime.emulator.counter import _FLAGS, build_counter, read_blocks, read_counts
from seaformer.runtime.emulator.qemu import FOLDER
from tests import arm

BEGIN, END = "hint #96", "hint #97"
LOOP = """
  mov x0, #1000
  mov x2, x1
  hint #96
1:
  ldr q0, [x1]
  ldp q1, q2, [x1, #32]
  str q0, [x1, #16]
  strb w0, [x1]
  fmla v3.4s, v0.4s, v1.4s
  fmla v4.8h, v0.8h, v1.h[3]
  fadd v5.4s, v0.4s, v1.4s
  subs x0, x0, #1
  b.ne 1b
  hint #97
"""
KEPT = ("instructions", "vector_fma", "vector_other", "scalar", "branch", "load", "store")


def counted(body: str, folder: Path, *, caches: bool = True) -> tuple[Counts, ...]:
    """The windows of a program that is ``body``."""
    program, out = arm.assemble(body, folder), folder / "counts.jsonl"
    plugin = arm.needed(lambda: arm.counter(caches)).plugin(out, folder / "blocks.jsonl")
    done = arm.run_arm(program, plugin=plugin)
    assert done.returncode == 0, done.stderr
    return read_counts(out)


def test_a_loop_is_counted_to_the_last_instruction_and_byte(tmp_path: Path) -> None:
    (found,) = counted(LOOP, tmp_path)
    assert [getattr(found, name) for name in KEPT] == [9000, 2000, 1000, 1000, 1000, 2000, 2000]
    assert (found.loaded_bytes, found.stored_bytes) == (48_000, 17_000)
    assert (found.fma_fp32, found.fma_fp16) == (1000, 1000)
    assert found.instructions_before == 4


def test_a_second_run_counts_the_same(tmp_path: Path) -> None:
    first = counted(LOOP, tmp_path)
    assert counted(LOOP, tmp_path) == first
    assert counted(LOOP, tmp_path, caches=False)[0].instructions == first[0].instructions


# instruction: the class it counts in, bytes loaded, bytes stored
SINGLE = {
    "ldr x3, [x1, #8]": ("load", 8, 0),
    "ldr w3, [x1, #4]!": ("load", 4, 0),
    "ldrsw x3, [x1]": ("load", 4, 0),
    "ldrb w3, [x1]": ("load", 1, 0),
    "ldursh x3, [x1, #1]": ("load", 2, 0),
    "ldr h3, [x1]": ("load", 2, 0),
    "ldr q3, [x1, x2]": ("load", 16, 0),
    "ldp x3, x4, [x1]": ("load", 16, 0),
    "ldpsw x3, x4, [x1]": ("load", 8, 0),
    "ldp s3, s4, [x1]": ("load", 8, 0),
    "ldnp q3, q4, [x1]": ("load", 32, 0),
    "ldr x3, _start": ("load", 8, 0),
    "ld1 {v0.16b-v3.16b}, [x1]": ("load", 64, 0),
    "ld1 {v0.8b}, [x1], #8": ("load", 8, 0),
    "ld2 {v0.4s, v1.4s}, [x1]": ("load", 32, 0),
    "ld3 {v0.8b-v2.8b}, [x1]": ("load", 24, 0),
    "ld4 {v0.8h-v3.8h}, [x1]": ("load", 64, 0),
    "ld1 {v0.s}[2], [x1]": ("load", 4, 0),
    "ld1 {v0.d}[1], [x1]": ("load", 8, 0),
    "ld2 {v0.h, v1.h}[5], [x1]": ("load", 4, 0),
    "ld1r {v0.4s}, [x1]": ("load", 4, 0),
    "ld4r {v0.8b-v3.8b}, [x1]": ("load", 4, 0),
    "ldxr x3, [x1]": ("load", 8, 0),
    "ldar w3, [x1]": ("load", 4, 0),
    "ldapr x3, [x1]": ("load", 8, 0),
    "ldadd w3, w4, [x1]": ("load", 4, 4),
    "swpal x3, x4, [x1]": ("load", 8, 8),
    "cas x3, x4, [x1]": ("load", 8, 8),
    "prfm pldl1keep, [x1]": ("load", 0, 0),
    "str x3, [x1]": ("store", 0, 8),
    "strh w3, [x1], #2": ("store", 0, 2),
    "str d3, [x1]": ("store", 0, 8),
    "stur q3, [x1, #-16]": ("store", 0, 16),
    "stp q3, q4, [x1, #32]": ("store", 0, 32),
    "stp w3, w4, [x1]": ("store", 0, 8),
    "st1 {v0.4s, v1.4s}, [x1]": ("store", 0, 32),
    "st2 {v0.b, v1.b}[7], [x1]": ("store", 0, 2),
    "stlr w3, [x1]": ("store", 0, 4),
    "dc zva, x1": ("store", 0, 64),
    "fmla v0.4s, v1.4s, v2.4s": ("vector_fma", 0, 0),
    "fmls v0.2d, v1.2d, v2.d[1]": ("vector_fma", 0, 0),
    "fmla v0.8h, v1.8h, v2.8h": ("vector_fma", 0, 0),
    "fmla v0.4s, v1.4s, v2.s[3]": ("vector_fma", 0, 0),
    "mla v0.8h, v1.8h, v2.8h": ("vector_fma", 0, 0),
    "smlal v0.4s, v1.4h, v2.h[1]": ("vector_fma", 0, 0),
    "umlal2 v0.8h, v1.16b, v2.16b": ("vector_fma", 0, 0),
    "sdot v0.4s, v1.16b, v2.4b[2]": ("vector_fma", 0, 0),
    "udot v0.4s, v1.16b, v2.16b": ("vector_fma", 0, 0),
    "fmul v0.4s, v1.4s, v2.4s": ("vector_other", 0, 0),
    "fmax v0.8h, v1.8h, v2.8h": ("vector_other", 0, 0),
    "dup v0.4s, w3": ("vector_other", 0, 0),
    "smull v0.8h, v1.8b, v2.8b": ("vector_other", 0, 0),
    "fmadd s0, s1, s2, s3": ("scalar", 0, 0),
    "fcvt h0, s1": ("scalar", 0, 0),
    "madd x3, x3, x3, x3": ("scalar", 0, 0),
    "mrs x3, tpidr_el0": ("scalar", 0, 0),
    "nop": ("scalar", 0, 0),
    "b 9f\n9:": ("branch", 0, 0),
    "cbz x3, 9f\n9:": ("branch", 0, 0),
    "tbnz w3, #5, 9f\n9:": ("branch", 0, 0),
}


@pytest.fixture(scope="module")
def singles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Counts]:
    """Each instruction alone between its own markers, all in one program."""
    lines = [f"  {BEGIN}\n  {one}\n  {END}\n  and x1, x1, #-4096" for one in SINGLE]
    body = "  mov x2, #16\n  add x1, x1, #8, lsl #12\n" + "\n".join(lines)
    found = counted(body, tmp_path_factory.mktemp("singles"))
    return dict(zip(SINGLE, found, strict=True))


@pytest.mark.parametrize("text", SINGLE)
def test_an_instruction_counts_in_one_class_with_its_bytes(
    text: str, singles: dict[str, Counts]
) -> None:
    kind, loaded, stored = SINGLE[text]
    found = singles[text]
    assert {name for name in KEPT[1:] if getattr(found, name)} == {kind}
    assert (found.instructions, getattr(found, kind)) == (1, 1)
    assert (found.loaded_bytes, found.stored_bytes) == (loaded, stored)


def test_only_fmla_of_that_width_counts_as_half_or_single(singles: dict[str, Counts]) -> None:
    half = [text for text, found in singles.items() if found.fma_fp16]
    single = [text for text, found in singles.items() if found.fma_fp32]
    assert half == ["fmla v0.8h, v1.8h, v2.8h"]
    assert single == ["fmla v0.4s, v1.4s, v2.4s", "fmla v0.4s, v1.4s, v2.s[3]"]


def test_the_bytes_of_the_encoding_are_those_of_the_accesses(singles: dict[str, Counts]) -> None:
    """QEMU's own accesses are another source. It reports none for cache maintenance, and an
    exclusive or compare-and-swap in its own way."""
    special = ("dc zva", "cas", "ldxr", "ldadd", "swpal")
    for text, found in singles.items():
        if not text.startswith(special):
            assert found.caches is not None
            moved = (found.caches.loaded_bytes, found.caches.stored_bytes)
            assert moved == (found.loaded_bytes, found.stored_bytes), text


def test_every_pair_of_markers_is_a_window_and_before_tells_what_lies_between(
    tmp_path: Path,
) -> None:
    pair = f"{BEGIN}\n nop\n nop\n {END}\n"
    first, second = counted(pair + " nop\n nop\n nop\n" + pair, tmp_path)
    assert (first.instructions, second.instructions) == (2, 2)
    assert (first.instructions_before, second.instructions_before) == (2, 3)


def test_markers_inside_a_loop_are_exact_in_every_round(tmp_path: Path) -> None:
    body = f"mov x0, #5\n1: nop\n {BEGIN}\n nop\n nop\n {END}\n nop\n subs x0, x0, #1\n b.ne 1b"
    found = counted(body, tmp_path)
    assert [one.instructions for one in found] == [2] * 5
    assert [one.instructions_before for one in found] == [4, 4, 4, 4, 4]


def test_a_window_that_begins_anew_counts_from_the_last_begin(tmp_path: Path) -> None:
    (found,) = counted(f"{BEGIN}\n nop\n nop\n {BEGIN}\n nop\n {END}", tmp_path)
    assert found.instructions == 1


def test_an_end_without_a_beginning_is_no_window(tmp_path: Path) -> None:
    assert counted(f"nop\n {END}\n {END}", tmp_path) == ()


def test_the_blocks_add_up_to_the_instructions(tmp_path: Path) -> None:
    (found,) = counted(LOOP, tmp_path)
    blocks = read_blocks(tmp_path / "blocks.jsonl")
    assert sum(block.instructions for block in blocks) == found.instructions
    assert sorted(block.count for block in blocks) == [1, 999]
    assert {len(block.words.split()) for block in blocks} == {9}
    (straight,) = counted(f"{BEGIN}\n nop\n nop\n {END}", tmp_path)
    (block,) = read_blocks(tmp_path / "blocks.jsonl")
    assert (block.count, block.words) == (1, "d503201f d503201f")
    assert straight.instructions == block.instructions


def sweep(kbytes: int, instruction: str) -> str:
    """Touch every line of the first ``kbytes`` of the buffer between two markers."""
    return (
        f" mov x2, x1\n mov x0, #{kbytes * 1024 // 64}\n {BEGIN}\n1: {instruction}\n"
        f" add x2, x2, #64\n subs x0, x0, #1\n b.ne 1b\n {END}\n"
    )


def misses(found: Counts) -> list[int]:
    caches = found.caches
    assert isinstance(caches, CacheMisses)
    return [caches.l1_misses, caches.l2_misses, caches.l3_misses, caches.system_misses]


@pytest.mark.parametrize(
    ("kbytes", "again"),
    [(32, [0, 0, 0, 0]), (256, [4096, 0, 0, 0]), (2048, [32768, 32768, 0, 0])],
)
def test_a_second_sweep_misses_the_levels_it_does_not_fit_in(
    kbytes: int, again: list[int], tmp_path: Path
) -> None:
    first, second = counted(2 * sweep(kbytes, "ldr x3, [x2]"), tmp_path)
    lines = kbytes * 1024 // 64
    assert misses(first) == [lines] * 4
    assert misses(second) == again


def test_lines_that_were_written_return_to_memory_when_they_are_driven_out(
    tmp_path: Path,
) -> None:
    (found,) = counted(sweep(16384, "str x3, [x2]"), tmp_path)
    lines = 16384 * 1024 // 64
    assert found.caches is not None
    assert misses(found) == [lines] * 4
    # Every line is dirty; what the four levels still hold has not been written back.
    held = (64 + 512 + 4096 + 3072) * 1024 // 64
    assert lines - held <= found.caches.memory_writes <= lines


def test_an_access_across_two_lines_touches_both(tmp_path: Path) -> None:
    (found,) = counted(f"add x2, x1, #60\n {BEGIN}\n ldr x3, [x2]\n {END}", tmp_path)
    assert misses(found) == [2, 2, 2, 2]


def test_without_the_cache_model_there_are_no_misses(tmp_path: Path) -> None:
    assert counted(LOOP, tmp_path, caches=False)[0].caches is None


def test_an_argument_the_plugin_does_not_know_is_refused(tmp_path: Path) -> None:
    program = arm.assemble("nop", tmp_path)
    plugin = arm.needed(arm.counter).plugin(tmp_path / "counts") + ",speed=on"
    done = arm.run_arm(program, plugin=plugin)
    assert done.returncode != 0
    assert "unknown argument speed=on" in done.stderr


def test_counts_of_two_threads_are_refused(tmp_path: Path) -> None:
    (found,) = counted(LOOP, tmp_path)
    path = tmp_path / "counts.jsonl"
    row = json.loads(path.read_text())
    assert row["threads"] == 1
    path.write_text(json.dumps(row | {"threads": 2}))
    with pytest.raises(RunnerFailed, match="2 threads ran"):
        read_counts(path)
    path.write_text('{"threads": 1, "instr"')
    with pytest.raises(RunnerFailed, match="cannot be read"):
        read_counts(path)
    with pytest.raises(RunnerFailed, match="cannot be read"):
        read_counts(tmp_path / "nothing")
    assert found.instructions == 9000


def test_without_a_c_compiler_the_line_that_installs_one_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEAFORMER_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    with pytest.raises(MissingExtra) as caught:
        build_counter()
    assert caught.value.hint == "sudo apt-get install gcc libc6-dev"


def made(instructions: int, half: int = 0, single: int = 0) -> Counts:
    return Counts(instructions, half + single, 0, 0, 0, 0, 0, 0, 0, half, single, 0)


def test_repeats_have_a_spread_a_typical_one_and_a_precision() -> None:
    repeats = [made(1001), made(1000), made(1003, single=9)]
    assert spread(repeats) == pytest.approx(0.003)
    assert typical(repeats) == repeats[0]
    assert executed_precision(repeats) == "fp32"
    assert executed_precision([made(9, half=5, single=4)]) == "fp16"
    assert (spread([]), spread([made(9)]), typical([])) == (None, None, None)
    assert executed_precision([made(9)]) == ""


def test_a_block_knows_how_many_instructions_it_stands_for() -> None:
    assert Block("0x10", 3, "d503201f d65f03c0").instructions == 6


def test_the_plugin_compiles_without_a_warning(tmp_path: Path) -> None:
    flags = ["-Wall", "-Wextra", "-Wconversion", "-Wno-sign-conversion", "-Werror"]
    argv = ["cc", *_FLAGS, *flags, str(FOLDER / "counter.c"), "-o", str(tmp_path / "counter.so")]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
