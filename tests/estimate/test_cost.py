"""Code priced by the real llvm-mca, and an LLVM that is missing or lacks the core."""

from __future__ import annotations

from pathlib import Path

import pytest

from seaformer.core.code_blocks import Block
from seaformer.core.errors import MissingExtra, SeaFormerError
from seaformer.estimate import cost
from seaformer.estimate.cost import Llvm, find_llvm, price
from tests.arm import needed

FMLA = tuple(f"4e3e{0xCFC0 + register:04x}" for register in range(16))  # into 16 registers
CHAIN = ("4e3ecfc0",) * 16  # into one


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SEAFORMER_CACHE", str(tmp_path / "cache"))


def test_two_multiply_adds_leave_a_cortex_a76_in_a_cycle() -> None:
    llvm = needed(find_llvm)
    free = price([Block("0x0", 1000, " ".join(FMLA))], llvm)
    assert free.instructions == 16_000
    assert 8_000 <= free.cycles < 9_000  # two pipes
    chained = price([Block("0x0", 1000, " ".join(CHAIN))], llvm)
    assert chained.cycles > 3 * free.cycles  # each waits for the one before
    both = [Block("0x0", 1000, " ".join(FMLA)), Block("0x40", 1000, " ".join(CHAIN))]
    assert price(both, llvm).cycles == pytest.approx(free.cycles + chained.cycles)


def test_what_is_no_instruction_is_counted_and_named_beside_the_price() -> None:
    llvm = needed(find_llvm)
    found = price([Block("0x0", 10, " ".join(FMLA)), Block("0x40", 5, "00000000 d503201f")], llvm)
    assert (found.unpriced, found.unpriced_words) == (10, ("00000000 d503201f",))
    assert found.instructions == 170
    assert 80 <= found.cycles < 90


def test_a_block_is_priced_once(monkeypatch: pytest.MonkeyPatch) -> None:
    llvm = needed(find_llvm)
    block = Block("0x0", 7, " ".join(FMLA))
    first = price([block], llvm)

    def fails(*_: object) -> None:
        raise AssertionError("priced again")

    monkeypatch.setattr(cost, "_schedule", fails)
    assert price([block], llvm) == first


def test_a_missing_llvm_gives_the_line_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingExtra, match="No LLVM") as raised:
        find_llvm()
    assert raised.value.hint == "sudo apt-get install llvm-19"


def test_an_llvm_without_the_core_is_refused(tmp_path: Path) -> None:
    program = tmp_path / "llvm-mc"
    text = "'neoverse-n1' is not a recognized processor for this target (ignoring processor)"
    program.write_text(f'#!/bin/sh\necho "{text}" >&2\n', encoding="utf-8")
    program.chmod(0o755)
    with pytest.raises(SeaFormerError, match="does not support the core neoverse-n1"):
        price([Block("0x0", 1, "d503201f")], Llvm(program, program, "19.1.7"))
