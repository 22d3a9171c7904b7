"""The Python runner's command line: the flags of ``runner/flags.h``, checked the same way."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from seaformer.runtime.python_runner.engines import ENGINES

USAGE, MODEL, ENGINE, IO = 2, 3, 4, 5


class RunnerProblem(Exception):
    """What the runner reports instead of times; ``code`` is its exit code."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise RunnerProblem(USAGE, f"{message}.")


def _number(kind: Callable[[str], float], least: float, most: float) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = float("nan")
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"must be {least:g} to {most:g} (got {text!r})")
        return value

    return parse


def _cpu_list(text: str) -> list[int]:
    cpus: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        if not first.isdecimal() or not (last or first).isdecimal() or part.endswith("-"):
            raise argparse.ArgumentTypeError(
                f"must be CPU numbers such as 7 or 0-3,6 (got {text!r})"
            )
        cpus |= set(range(int(first), int(last or first) + 1))
    return sorted(cpus)


def _shape(text: str) -> tuple[int, ...]:
    sizes = [] if text == "scalar" else text.split(",")
    if not all(size.isdecimal() for size in sizes):
        raise argparse.ArgumentTypeError(
            f"must be sizes such as 1,3,512,512, or scalar (got {text!r})"
        )
    return tuple(int(size) for size in sizes)


def _parser() -> _Parser:
    cores = os.cpu_count() or 1
    count, seconds = _number(int, 0, 1e15), _number(float, 0, 1e9)
    at_least_one, above_zero = _number(int, 1, 1e15), _number(float, 1e-9, 1e9)
    parser = _Parser(prog="python runner", allow_abbrev=False)
    add = parser.add_argument
    add("--engine", choices=ENGINES.names())
    add("--model", type=Path)
    add("--library", help="ignored: a Python package brings its own")
    add("--method", default="forward")
    add("--threads", type=_number(int, 1, cores), default=1)
    add("--cpus", type=_cpu_list, default=[])
    add("--input", nargs="+", action="extend", type=Path, default=[])
    add("--shape", nargs="+", action="extend", type=_shape, default=[])
    add("--items", type=at_least_one, default=1)
    add("--seed", type=_number(int, 0, 2**63 - 1), default=0)
    add("--output-dir", type=Path)
    add("--warmup", type=count)
    add("--warmup-min-runs", type=count, default=5)
    add("--warmup-min-secs", type=seconds, default=1.0)
    add("--warmup-max-secs", type=above_zero, default=15.0)
    add("--warmup-tolerance", type=above_zero, default=0.02)
    add("--runs", type=at_least_one)
    add("--min-runs", type=at_least_one, default=30)
    add("--min-secs", type=seconds, default=3.0)
    add("--max-runs", type=at_least_one, default=500)
    add("--max-secs", type=above_zero, default=20.0)
    add("--ci-width", type=above_zero, default=0.01)
    add("--profile-ops")
    add("--tail")
    add("--tail-size")
    for switch in ("--marker", "--list-methods", "--version"):
        add(switch, action="store_true")
    return parser


def parse_flags(argv: Sequence[str]) -> argparse.Namespace:
    flags = _parser().parse_args(argv)
    if not flags.version and (flags.engine is None or flags.model is None):
        raise RunnerProblem(USAGE, "--engine and --model are needed.")
    if flags.items > 1:
        raise RunnerProblem(USAGE, "--items is for the C++ runner, which is not built here.")
    if flags.tail:
        raise RunnerProblem(USAGE, "--tail is timed by the C++ runner, which is not built here.")
    if flags.min_secs > flags.max_secs or flags.warmup_min_secs > flags.warmup_max_secs:
        raise RunnerProblem(USAGE, "A minimum of seconds is more than its maximum.")
    return flags
