"""Plain conversions in engines that are not engines here, in instructions of a Cortex-A76.

    python benchmarks/peers_arm.py --python ROOT --wheels FOLDER [--model seaformer_t.ade20k]
        [--precision fp32,fp16] [--peers mnn,openvino,onnxruntime,armnn]

MNN and OpenVINO have no library that the C++ runner could open, so their Python packages run in a
Python for ARM under the same emulator and counter; what Python executes around an inference is
below 0.01 %. ONNX Runtime is run so with the options of its ARM build that its C++ runner does not
set. ROOT has a Python 3.11 for ARM, FOLDER the wheels of numpy and of the engines:

    apt-get download python3.11-minimal libpython3.11-minimal libpython3.11-stdlib libc6 libexpat1 \
        zlib1g libffi8 libgcc-s1 libstdc++6     # each with :arm64; then dpkg-deb -x FILE ROOT
    pip download --no-deps --only-binary=:all: --python-version 3.11 --dest FOLDER \
        --platform manylinux2014_aarch64 --platform manylinux_2_28_aarch64 \
        --platform manylinux_2_35_aarch64 numpy==2.4.6 MNN==3.6.1 openvino==2026.4.1 \
        onnxruntime==1.31.1

MNN's converter is of its package for this machine (``pip install MNN``). Arm NN takes the file of
``seaformer export --format litert`` without rewrites; it has no wheel, so Debian's packages of it
go to ROOT too: python3-pyarmnn libarmnn22 libarmnn-cpuacc-backend22 libarmnnaclcommon22
libarmnntfliteparser22 libarm-compute20 libflatbuffers2.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from engines import Subject, convert_to_mnn, subject_of

from seaformer.core import codec
from seaformer.core.counts import Counts, floor
from seaformer.core.cpu import find_emulated
from seaformer.export import export_model
from seaformer.export.rewrites import list_rules
from seaformer.models import zoo_entry
from seaformer.runtime.emulator.counter import build_counter
from seaformer.runtime.emulator.qemu import find_qemu, make_prefix

HEADER = (
    "engine",
    "precision",
    "instructions M",
    "of the floor",
    "loaded MB",
    "load, instructions M",
    "peak MB",
    "file MB",
    "threads",
    "max abs",
    "same class",
)
SECONDS = 900


@dataclass(frozen=True)
class Trial:
    """A peer with its options; ``file`` is what it opens."""

    title: str
    engine: str
    options: tuple[str, ...] = ()
    file: str = "plain.onnx"
    half: bool = True  # whether it computes an FP32 file in half precision on request


TRIALS = (
    Trial("MNN", "mnn", file="plain.mnn"),
    Trial("OpenVINO", "openvino"),
    Trial("ONNX Runtime", "onnxruntime", ("write=arm.ort",), half=False),
    Trial("ONNX Runtime, .ort written on ARM", "onnxruntime", ("file=arm.ort",), "arm.ort", False),
    Trial("Arm NN", "armnn", file="plain.tflite"),
    *(
        Trial(f"ONNX Runtime, {option}", "onnxruntime", (option,), half=False)
        for option in (
            "mlas.nchwc_depthwise_sliding=1",
            "mlas.nchwc_pointwise_conv_max_input_channel_batch=128",
            "mlas.disable_kleidiai=1",
            "session.disable_prepacking=1",
        )
    ),
)


@dataclass(frozen=True)
class Machine:
    """A Python for ARM with packages, on an emulated core."""

    root: Path
    packages: Path

    def run(
        self, trial: Trial, folder: Path, precision: str
    ) -> tuple[list[Counts], dict[str, Any]]:
        """Counts of the load and of two inferences, and what the process reports.

        Threads that an engine keeps besides are reported, and refused nowhere.
        """
        core, counts = find_emulated("cortex-a76"), folder / "counts.jsonl"
        counts.unlink(missing_ok=True)
        argv = [str(find_qemu().path), "-cpu", core.qemu, "-L", str(self.root)]
        own = self.root / "usr/lib/python3/dist-packages"
        argv += ["-E", f"PYTHONPATH={self.packages}:{own}", "-E", "OMP_NUM_THREADS=1"]
        argv += ["-plugin", build_counter(caches=False).plugin(counts)]
        argv += [str(self.root / "usr/bin/python3.11"), "-S"]
        argv += [str(Path(__file__).with_name("peer_process.py")), trial.engine, str(folder)]
        done = subprocess.run(
            [*argv, precision, *trial.options],
            check=False,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
        if done.returncode != 0:
            raise RuntimeError((done.stderr.strip().splitlines() or [str(done.returncode)])[-1])
        rows = [json.loads(line) for line in counts.read_text().splitlines()]
        report = json.loads(done.stdout.splitlines()[-1]) | {"threads": rows[-1]["threads"]}
        return [codec.from_json(Counts, row, where="counts") for row in rows], report


def convert_to_tflite(subject: Subject, path: Path) -> None:
    """The network without rewrites; the extra of the format must be installed."""
    without = tuple(rule.name for rule in list_rules())
    artifact = export_model(
        subject.model, size=subject.size, format="litert", no_rewrite=without, out=path.parent
    )
    artifact.path.rename(path)


def machine_of(root: Path, wheels: Path, scratch: Path) -> Machine:
    """With what a Cortex-A76 shows of itself in the root, and the wheels unpacked."""
    shutil.copytree(make_prefix(find_emulated("cortex-a76")), root, dirs_exist_ok=True)
    for wheel in sorted(wheels.glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(scratch)
    return Machine(root.resolve(), scratch)


def lines(
    machine: Machine, folder: Path, trials: Sequence[Trial], precisions: Sequence[str], macs: int
) -> Iterator[tuple[str, ...]]:
    for trial in trials:
        for precision in precisions:
            if precision == "fp16" and not trial.half:
                continue
            try:
                (load, _, second), report = machine.run(trial, folder, precision)
            except (RuntimeError, ValueError, subprocess.TimeoutExpired) as error:
                print(f"{trial.title} {precision}: {error}", file=sys.stderr)
                continue
            yield (
                trial.title,
                precision,
                f"{second.instructions / 1e6:.2f}",
                f"{second.instructions / floor(second, macs):.2f}",
                f"{second.loaded_bytes / 1e6:.0f}",
                f"{load.instructions / 1e6:.0f}",
                f"{report['peak_mb']:.0f}",
                f"{(folder / trial.file).stat().st_size / 1e6:.1f}",
                str(report["threads"]),
                f"{report['max_abs']:.1e}",
                f"{100 * report['same']:.1f} %",
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--python", type=Path, required=True, help="root of a Python for ARM")
    parser.add_argument("--wheels", type=Path, required=True, help="folder of wheels for ARM")
    parser.add_argument("--model", default="seaformer_t.ade20k")
    parser.add_argument("--precision", default="fp32,fp16")
    parser.add_argument("--peers", default="mnn,openvino,onnxruntime,armnn")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # Arm NN has a thread for each core
    entry = zoo_entry(asked.model)
    trials = [trial for trial in TRIALS if trial.engine in asked.peers.split(",")]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        machine = machine_of(asked.python, asked.wheels, folder / "packages")
        _, _, height, width = entry.spec.input_shape
        subject = subject_of(asked.model, (height, width), folder)
        with torch.no_grad():
            expected = subject.network(torch.from_numpy(subject.image)).numpy()
        np.save(folder / "input.npy", subject.image)
        np.save(folder / "output.npy", expected)
        if any(trial.engine == "mnn" for trial in trials):
            convert_to_mnn(subject.onnx)
        if any(trial.engine == "armnn" for trial in trials):
            convert_to_tflite(subject, folder / "plain.tflite")
        print(f"| {' | '.join(HEADER)} |\n|{'---|' * len(HEADER)}")
        for line in lines(machine, folder, trials, asked.precision.split(","), entry.macs):
            print(f"| {' | '.join(line)} |", flush=True)


if __name__ == "__main__":
    main()
