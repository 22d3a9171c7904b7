"""``price``: from executed blocks of code to cycles of one ARM core, by LLVM's scheduling model.

``llvm-mc`` disassembles every code word once; ``llvm-mca -mcpu=neoverse-n1`` (the Cortex-A76's
core) schedules each block as a loop of 50 rounds; a block costs its rounds' cycles times how often
it ran. In LLVM before 20 ``-mcpu=cortex-a76`` and ``cortex-a77`` are priced as a Cortex-A57, so
neither name is used. What a block costs depends on its code words and on LLVM's version alone: it
is cached under a hash of both. No time is derived here.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from seaformer.core import child, files
from seaformer.core.code_blocks import Block
from seaformer.core.errors import MissingExtra, SeaFormerError

MODEL = "neoverse-n1"
INSTALL = "sudo apt-get install llvm-19"
ROUNDS = 50
_LEAST, _MOST = 17, 22  # tested with 19; older ones cannot write JSON for each region
_TOGETHER = 1500  # blocks in one process
_LIMIT_S = 600.0
_NOP = "d503201f"
_ENCODING = re.compile(r"^\s*(.*?)\s*// encoding: \[(.*)\]")


@dataclass(frozen=True)
class Llvm:
    """The two programs found and their version, ``19.1.7``."""

    mc: Path
    mca: Path
    version: str


@dataclass(frozen=True)
class Cost:
    """Cycles of all blocks; ``unpriced`` instructions are not in them.

    ``unpriced_words`` are code words that LLVM could not read or has no cost for, the most executed
    first; an estimate names them.
    """

    cycles: float
    instructions: int
    unpriced: int = 0
    unpriced_words: tuple[str, ...] = ()

    @property
    def total(self) -> float:
        """Cycles of all instructions: those without a price cost what the others do on average."""
        priced = self.instructions - self.unpriced
        return self.cycles * self.instructions / priced if priced else float(self.instructions)


def find_llvm() -> Llvm:
    """The newest LLVM on the PATH that is supported.

    Raises ``MissingExtra`` with the install line where there is none.
    """
    for suffix in (*(f"-{number}" for number in (19, *range(_MOST, _LEAST - 1, -1))), ""):
        mc, mca = (shutil.which(f"{name}{suffix}") for name in ("llvm-mc", "llvm-mca"))
        if mc is None or mca is None:
            continue
        done = child.run([mca, "--version"], _LIMIT_S)
        match = re.search(r"LLVM version (\d+)(\.[\d.]+)", done.stdout)
        if match and _LEAST <= int(match[1]) <= _MOST:
            return Llvm(Path(mc), Path(mca), match[1] + match[2])
    raise MissingExtra(
        f"No LLVM {_LEAST} to {_MOST} is installed: cycles need llvm-mc and llvm-mca.", hint=INSTALL
    )


def check_core(llvm: Llvm) -> None:
    """Raise ``SeaFormerError`` where LLVM lacks the core's model."""
    price((Block("0x0", 1, _NOP),), llvm)


def price(blocks: Iterable[Block], llvm: Llvm) -> Cost:
    """What the blocks cost. Raises ``SeaFormerError`` where LLVM lacks the core's model."""
    return price_each([tuple(blocks)], llvm)[0]


def price_each(groups: Sequence[Sequence[Block]], llvm: Llvm) -> tuple[Cost, ...]:
    """What each group of blocks costs; raises as ``price`` does."""
    rounds = _cycles_of({block.words for blocks in groups for block in blocks}, llvm)
    return tuple(_cost(blocks, rounds) for blocks in groups)


def _cost(blocks: Sequence[Block], rounds: Mapping[str, int | None]) -> Cost:
    unpriced = [block for block in blocks if rounds[block.words] is None]
    unpriced.sort(key=lambda block: (-block.instructions, block.words))
    cycles = sum((rounds[block.words] or 0) * block.count for block in blocks) / ROUNDS
    return Cost(
        cycles=cycles,
        instructions=sum(block.instructions for block in blocks),
        unpriced=sum(block.instructions for block in unpriced),
        unpriced_words=tuple(block.words for block in unpriced[:3]),
    )


def _cycles_of(codes: Iterable[str], llvm: Llvm) -> dict[str, int | None]:
    """Cycles of 50 rounds of each block; ``None`` where LLVM cannot price it."""
    path = files.cache_dir() / "mca" / f"{llvm.version}-{MODEL}-{ROUNDS}.json"
    known = _load(path)
    keys = {code: hashlib.sha256(code.encode()).hexdigest()[:24] for code in codes}
    missing = sorted(code for code, key in keys.items() if key not in known)
    if missing:
        texts = _disassemble({word for code in missing for word in code.split()}, llvm)
        for start in range(0, len(missing), _TOGETHER):
            some = missing[start : start + _TOGETHER]
            priced = _schedule(some, texts, llvm)
            known |= {keys[code]: cycles for code, cycles in zip(some, priced, strict=True)}
        files.write_text(path, json.dumps(_load(path) | known, sort_keys=True))
    return {code: known[key] for code, key in keys.items()}


def _load(path: Path) -> dict[str, int | None]:
    """What was priced earlier; a file that cannot be read is made again."""
    try:
        known: dict[str, int | None] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _disassemble(words: Iterable[str], llvm: Llvm) -> dict[str, str]:
    """The text of each word; one that is not an instruction has none."""
    listing = "\n".join(_little(word) for word in sorted(words))
    argv = [str(llvm.mc), "--disassemble", "--triple=aarch64", f"-mcpu={MODEL}", "-show-encoding"]
    done = child.run_bytes(argv, _LIMIT_S, send=listing.encode())
    _check(done.stderr.decode("utf-8", "replace"), llvm)
    texts = {}
    for line in done.stdout.decode().splitlines():
        if match := _ENCODING.match(line):
            octets = match[2].replace("0x", "").split(",")
            texts["".join(reversed(octets))] = match[1]
    return texts


def _little(word: str) -> str:
    """Bytes in the order of memory: ``0xbf 0xfe 0x9f 0x08``."""
    return " ".join(f"0x{word[at : at + 2]}" for at in (6, 4, 2, 0))


def _schedule(codes: Sequence[str], texts: Mapping[str, str], llvm: Llvm) -> tuple[int | None, ...]:
    """Each block as a region; where one of them cannot be scheduled, halves are tried alone."""
    readable = [all(word in texts for word in code.split()) for code in codes]
    whole = [code for code, is_readable in zip(codes, readable, strict=True) if is_readable]
    cycles = dict(zip(whole, _regions(whole, texts, llvm), strict=True))
    return tuple(cycles.get(code) for code in codes)


def _regions(codes: Sequence[str], texts: Mapping[str, str], llvm: Llvm) -> tuple[int | None, ...]:
    if not codes:
        return ()
    argv = [str(llvm.mca), "-mtriple=aarch64", f"-mcpu={MODEL}", f"-iterations={ROUNDS}", "-json"]
    argv += ["-resource-pressure=false", "-instruction-info=false"]
    done = child.run_bytes(argv, _LIMIT_S, send=_assembly(codes, texts).encode())
    _check(done.stderr.decode("utf-8", "replace"), llvm)
    if done.returncode == 0:
        regions = json.loads(done.stdout)["CodeRegions"]
        by_name = {each["Name"]: int(each["SummaryView"]["TotalCycles"]) for each in regions}
        return tuple(by_name.get(str(number)) for number in range(len(codes)))
    if len(codes) == 1:
        return (None,)
    middle = len(codes) // 2
    return (*_regions(codes[:middle], texts, llvm), *_regions(codes[middle:], texts, llvm))


def _assembly(codes: Sequence[str], texts: Mapping[str, str]) -> str:
    lines = []
    for number, code in enumerate(codes):
        lines.append(f"# LLVM-MCA-BEGIN {number}")
        lines += [texts[word] for word in code.split()]
        lines.append(f"# LLVM-MCA-END {number}")
    return "\n".join(lines) + "\n"


def _check(errors: str, llvm: Llvm) -> None:
    """Raise where this LLVM was built without the core, or without ARM."""
    if f"'{MODEL}' is not a recognized processor" in errors or "unable to get target" in errors:
        raise SeaFormerError(
            f"LLVM {llvm.version} ({llvm.mca}) does not support the core {MODEL}.", hint=INSTALL
        )
