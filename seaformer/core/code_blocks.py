"""``BlockProfile``: every block of code that one inference executed on an emulated ARM core.

The input of an estimate of time: a disassembler and a scheduling model need the code words and
how often they ran. A file of JSON lines, ``*.blocks.jsonl``: the head first, then a block a line.
Nothing in it is a time.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from seaformer.core import codec, files
from seaformer.core.counts import Counts
from seaformer.core.errors import CorruptArtifact
from seaformer.core.measurement import RunHeader

SCHEMA = 1


@dataclass(frozen=True)
class Block:
    """Code words that ran one after the other, how often, and their address.

    ``address`` is hexadecimal; ``words`` are 32-bit A64 instructions, eight hexadecimal digits
    each, separated by blanks.
    """

    address: str
    count: int
    words: str

    @property
    def instructions(self) -> int:
        """Executed instructions: the words times the count."""
        return self.count * len(self.words.split())


@dataclass(frozen=True)
class CodePart:
    """A stretch of an inference: what it executed, as counts and as blocks that add up to them."""

    counts: Counts
    blocks: tuple[Block, ...]


@dataclass(frozen=True, kw_only=True)
class BlockHead(RunHeader):
    """What ran where; ``counts`` is of the same inference, so the blocks add up to it."""

    method: str
    counts: Counts


@dataclass(frozen=True)
class BlockProfile:
    """A head and its blocks, in no order."""

    head: BlockHead
    blocks: tuple[Block, ...]


def write_blocks(path: Path, profile: BlockProfile) -> None:
    """The file appears whole or not at all."""
    lines: list[object] = [codec.to_json(profile.head)]
    lines += [codec.to_json(block) for block in profile.blocks]
    files.write_text(path, "".join(json.dumps(line) + "\n" for line in lines))


def load_blocks(path: Path) -> BlockProfile:
    """Read a ``*.blocks.jsonl`` back.

    Raises ``CorruptArtifact`` when it is none, or when its blocks do not add up to its head.
    """
    try:
        lines = files.read_bytes(path).decode().splitlines()
        if not lines:
            raise CorruptArtifact(f"{path} is cut short: it is empty.")
        first, *rest = lines
        head = codec.decode(BlockHead, first.encode(), where=path.name, newest=SCHEMA)
    except ValueError as error:
        raise CorruptArtifact(f"{path} cannot be read as a block profile: {error}.") from error
    profile = BlockProfile(head, parse_blocks(rest, where=path.name))
    total = sum(block.instructions for block in profile.blocks)
    if total != head.counts.instructions:
        raise CorruptArtifact(
            f"{path} is cut short: its blocks hold {total} of {head.counts.instructions} "
            "instructions."
        )
    return profile


def parse_blocks(lines: Iterable[str], *, where: str = "blocks") -> tuple[Block, ...]:
    """A block for each JSON line. Raises ``CorruptArtifact``."""
    return tuple(codec.decode(Block, line.encode(), where=where) for line in lines)
