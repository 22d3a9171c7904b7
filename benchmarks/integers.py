"""Models x engines x precisions on emulated cores: instructions, size, load, agreement.

    python benchmarks/integers.py --results DIR [--models seaformer_t,seaformer_s]
                                  [--formats onnx,executorch,ncnn] [--precisions fp32,fp16,int8]
                                  [--cores cortex-a76,cortex-a72] [--calibration DIR] [--print]
                                  [--beside results/race]

Each file is exported and run by ``seaformer bench`` in a process of its own: a warm-up, then one
inference that is counted, which repeats to 0.01 %. A row whose run is in DIR is not run again, so a
sweep that was interrupted continues, and none whose run is in ``--beside``, stored counts of other
sweeps. Printed is the table of ``docs/int8.md``; ``--print`` runs nothing. A file whose output is
under the limit of its precision is counted all the same; its PSNR has a mark. Load is what the
process executed before the counted inference without the warm-up, which is taken to be as long:
start, load, and what an engine prepares in its first run.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path

from seaformer.core.artifact import FORWARD
from seaformer.core.counts import Counts, multiplied_in, typical
from seaformer.core.measurement import EMULATED, Measurement
from seaformer.core.precision import find_precision, names, precisions
from seaformer.store.results import parse, run_files

_SECONDS = 1800
_UNLIKE = "wrong output"
_FORMATS, _CORES = "onnx,executorch,ncnn", "cortex-a76"
_HEADER = (
    "core", "model", "engine", "precision", "instructions", "best fp32", "best fp16", "multiplies",
    "load", "MB", "PSNR", "same class",
)  # fmt: skip
Key = tuple[str, str, str, str]  # core, model, format, precision


def measured(*folders: Path) -> dict[Key, Measurement]:
    """The newest run of each row that was counted."""
    runs = [
        parse((folder / each.path).read_bytes(), where=each.path)
        for folder in folders
        for each in run_files(folder)
    ]
    counted = [run for run in runs if is_countable(run) and counts_of(run) is not None]
    newest = sorted(counted, key=lambda run: run.id)
    return {(core_of(run), run.model, run.format, run.precision): run for run in newest}


def is_countable(run: Measurement) -> bool:
    """Whether nothing but its output speaks against a run on an emulated core."""
    fatal = {flag.name for flag in run.flags if flag.fatal}
    return run.source == EMULATED and run.failure is None and fatal <= {_UNLIKE}


def core_of(run: Measurement) -> str:
    return run.device.id.removeprefix("emulator-")


def counts_of(run: Measurement) -> Counts | None:
    method = run.methods.get(FORWARD)
    return typical(method.counts) if method else None


def instructions_of(run: Measurement) -> int:
    counts = counts_of(run)
    assert counts is not None
    return counts.instructions


def bench(key: Key, results: Path, calibration: str) -> None:
    core, model, format, precision = key
    argv = [sys.executable, "-m", "seaformer", "bench", "--model", model, "--format", format]
    argv += ["--precision", precision, "--device", f"emulator:{core}", "--threads", "1"]
    argv += ["--warmup", "1", "--runs", "1", "--repeats", "1", "--results", str(results)]
    if calibration and find_precision(precision).calibrated:
        argv += ["--calibration", calibration]
    print(" ".join(argv[3:]), file=sys.stderr, flush=True)
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        print("  timed out", file=sys.stderr, flush=True)
        return
    if done.returncode != 0:
        print("  " + "".join(done.stderr.splitlines()[-1:]), file=sys.stderr, flush=True)


def lines(runs: Mapping[Key, Measurement]) -> Iterator[str]:
    """A row a file, those of one model on one core together."""
    yield f"| {' | '.join(_HEADER)} |"
    yield "|" + "---|" * len(_HEADER)
    for (core, model, format, precision), run in sorted(runs.items(), key=_place):
        of_model = {key: each for key, each in runs.items() if key[:2] == (core, model)}
        counts = counts_of(run)
        assert counts is not None
        multiplied = sum(multiplied_in([counts]).values())
        load = counts.instructions_before - counts.instructions
        cells = [
            core,
            model,
            format,
            precision,
            f"{counts.instructions / 1e6:.1f} M",
            *(_ratio(counts.instructions, name, of_model) for name in _ratios()),
            f"{100 * multiplied / counts.instructions:.0f} %",
            f"{load / 1e6:.0f} M",
            f"{run.artifact_size_bytes / 1e6:.2f}",
            *_agreement(run),
        ]
        yield f"| {' | '.join(cells)} |"


def _place(row: tuple[Key, Measurement]) -> tuple[str, str, int, int]:
    (core, model, _, precision), run = row
    return core, model, names().index(precision), instructions_of(run)


def _ratios() -> tuple[str, ...]:
    return tuple(row.name for row in precisions() if not row.calibrated)


def _ratio(instructions: int, precision: str, runs: Mapping[Key, Measurement]) -> str:
    """Against the fewest of any engine in that precision."""
    fewest = [instructions_of(run) for key, run in runs.items() if key[3] == precision]
    return f"{instructions / min(fewest):.2f}x" if fewest else ""


def _agreement(run: Measurement) -> tuple[str, str]:
    """Of the output that the emulated core gave with the eager model's, on a photograph."""
    output = run.methods[FORWARD].output
    if output is None:
        return "", ""
    psnr = "" if output.psnr_db is None else f"{output.psnr_db:.1f} dB" + "!" * (not run.valid)
    same = output.argmax_agreement
    return psnr, "" if same is None else f"{100 * same:.1f} %"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--models", default="seaformer_t.ade20k")
    parser.add_argument("--formats", default=_FORMATS)
    parser.add_argument("--precisions", default=",".join(names()))
    parser.add_argument("--cores", default=_CORES)
    parser.add_argument("--calibration", default="")
    parser.add_argument("--beside", type=Path, action="append", default=[])
    parser.add_argument("--print", action="store_true")
    arguments = parser.parse_args()
    folders = (arguments.results, *arguments.beside)
    lists = (arguments.cores, arguments.models, arguments.formats, arguments.precisions)
    rows = product(*(text.split(",") for text in lists))
    for core, model, format, precision in () if arguments.print else rows:
        key = (core, model, format, precision)
        if key not in measured(*folders):
            bench(key, arguments.results, arguments.calibration)
    print("\n".join(lines(measured(*folders))))


if __name__ == "__main__":
    main()
