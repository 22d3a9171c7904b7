"""What each operator executes on an emulated core: real engines, and their code by module."""

from __future__ import annotations

from pathlib import Path

import pytest

from seaformer.bench.operator_code import operator_codes, write_codes_of
from seaformer.bench.operators._events import TICK_NS, Event, cut
from seaformer.bench.operators.ncnn import cut as cut_layers
from seaformer.bench.operators.ncnn import whole as whole_of_layers
from seaformer.core import codec, files
from seaformer.core.code_blocks import Block, CodePart
from seaformer.core.counts import Counts
from seaformer.core.errors import RunnerFailed
from seaformer.core.operator_code import OperatorCodes
from seaformer.models import create_model
from seaformer.models._complexity import macs
from seaformer.report.operator_code import group_lines, operator_code_page
from seaformer.report.terminal.layout import plain
from tests.bench.emulated import FORMATS, ONE, target
from tests.exports import small


def part(instructions: int) -> CodePart:
    counts = Counts(instructions, 0, 0, instructions, 0, 0, 0, 0, 0, 0, 0, 0)
    return CodePart(counts, (Block("0x0", instructions, "d503201f"),))


def event(first: int, after: int) -> Event:
    return Event("an operator", "Conv", first * TICK_NS, (after - first) * TICK_NS)


def test_an_event_is_made_of_the_parts_between_its_readings() -> None:
    parts = [part(10**k) for k in range(5)]
    codes = cut([event(0, 1), event(1, 3)], parts)
    assert [code.counts.instructions for code in codes] == [10, 1100]
    assert [block.count for block in codes[1].blocks] == [1100]
    with pytest.raises(RunnerFailed, match="an operator has no code"):
        cut([event(3, 5)], parts)


def test_a_layer_is_what_computes_its_blob_without_the_conversion_behind_it() -> None:
    parts = [part(count) for count in (1, 70, 1, 20, 1, 9, 1, 9, 1)]
    codes = cut_layers([event(0, 0), event(0, 0)], parts)
    assert [code.counts.instructions for code in codes] == [50, 0]
    # The beginning, the layers, and what follows the last conversion.
    whole = whole_of_layers([event(0, 0), event(0, 0)], parts)
    assert whole.counts.instructions == 1 + 50 + 0 + 1
    assert sum(block.count for block in whole.blocks) == 1 + 50 + 0 + 1
    with pytest.raises(RunnerFailed, match="2 layers left 8 parts"):
        cut_layers([event(0, 0), event(0, 0)], parts[:-1])


@pytest.mark.parametrize("format", FORMATS)
def test_every_multiply_add_belongs_to_an_operator_and_has_a_module(
    format: str, tmp_path: Path
) -> None:
    (codes,), refused = write_codes_of(
        target(), ONE, [small(format)], tmp_path, command="", progress=lambda _: None
    )
    assert refused == ()
    assert sum(each.counts.vector_fma for each in codes.operators) == codes.counts.vector_fma
    for each in codes.operators:
        assert sum(block.instructions for block in each.blocks) == each.counts.instructions
    components = {each.component for each in codes.operators if each.counts.vector_fma}
    assert {"stem", "context", "spatial", "head"} <= components
    (path,) = (tmp_path / "profiles").glob("*.operators.json")
    stored = codec.decode(OperatorCodes, files.read_bytes(path), where=path.name)
    assert [o.counts for o in stored.operators] == [o.counts for o in codes.operators]


def test_the_tables_add_up_to_the_inference() -> None:
    codes = operator_codes(target(), ONE, small("executorch"))
    kinds = group_lines(codes, "kind")
    assert sum(float(line[2]) for line in kinds) == pytest.approx(
        codes.counts.instructions / 1e6, abs=0.005 * len(kinds)
    )
    convolutions = sum(
        each.counts.vector_fma
        for each in codes.operators
        if each.kind.startswith(("Convolution", "Fully Connected"))
    )
    floor = macs(create_model("seaformer_t", size=(64, 96)), (1, 3, 64, 96)) / 4
    assert 0.8 * floor < convolutions < 2 * floor
    page = plain(operator_code_page(codes))
    assert "engine and its profiler, between operators" in page
    assert " ms" not in page
