"""Files on an emulated core and on a phone are as accurate as here, and nothing stays there."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from seaformer.bench.answers import choose_devices
from seaformer.bench.target import TargetOptions
from seaformer.core import child
from seaformer.core.cpu import find_emulated
from seaformer.core.errors import RunnerFailed, UsageError
from seaformer.data.dataset import DataSet
from seaformer.data.sets import open_set
from seaformer.data.synth import synthesise
from seaformer.evaluation import part as parts
from seaformer.evaluation.modes import Mode
from seaformer.evaluation.network import NetworkOptions
from seaformer.evaluation.order import EvalOrder, evaluate_order
from seaformer.evaluation.outcome import Evaluation
from seaformer.evaluation.predictor import of_file, on_device
from seaformer.evaluation.record import Keeping
from seaformer.evaluation.run import evaluate_set
from seaformer.evaluation.together import Array, Together
from seaformer.evaluation.work import Work
from seaformer.store.accuracy import load
from tests import arm, exports
from tests.android_bench.benches import left_behind
from tests.fakes.adb import PrivateAdb
from tests.fakes.board import FakeBoard
from tests.fakes.phone import FakePhone
from tests.requirements import require

# The engines sum in another order on another core: of these pixels few change their class.
POINTS, AGREEMENT = 0.05, 0.999
GREY = (127.5, 127.5, 127.5)


def convolution(folder: Path) -> Path:
    """A small ONNX file of nobody in particular: scores of twelve classes at each pixel."""
    weights = np.random.default_rng(0).standard_normal((12, 3, 3, 3)).astype(np.float32)
    make, tensor = onnx.helper.make_node, onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [make("Conv", ["x", "w"], ["y"], pads=[1, 1, 1, 1], strides=[2, 2])], "any",
        [tensor("x", 1, [1, 3, 64, 96])], [tensor("y", 1, None)],
        [onnx.numpy_helper.from_array(weights, "w")],
    )  # fmt: skip
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)])
    model.ir_version = 9
    onnx.save(model, folder / "any.onnx")
    return folder / "any.onnx"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("a set")
    convolution(folder)
    synthesise(folder / "shapes", 10, 5)
    return folder


def pair(
    folder: Path, device: str, results: Path, options: TargetOptions = TargetOptions()
) -> tuple[Evaluation, ...]:
    """The file on this machine and on a device."""
    devices = choose_devices(f"host,{device}", options)
    order = EvalOrder(folder / "shapes", "train", options=NetworkOptions(mean=GREY, std=GREY))
    how = Work(devices=devices)
    return evaluate_order(order, [folder / "any.onnx"], keeping=Keeping(results), work=how)


def check(rows: Sequence[Evaluation], device: str) -> None:
    base, row = rows
    assert (base.model, row.model) == ("any.onnx", f"any.onnx on {device}")
    assert (base.images, row.images) == (8, 8)
    assert row.difference is not None
    assert abs(row.difference.miou) < POINTS
    assert row.difference.argmax_agreement > AGREEMENT


def test_an_emulated_core_is_as_accurate_as_this_machine(folder: Path, tmp_path: Path) -> None:
    arm.needed(arm.bundle)
    check(pair(folder, "emulator", tmp_path), "emulator")
    records = load(tmp_path)[0]
    assert {one.device for one in records} == {"", "emulator-cortex-a76"}


@pytest.fixture
def phone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakePhone]:
    """A phone with two cores that runs the real aarch64 runner."""
    require((os.cpu_count() or 1) > 1, "fewer than 2 cores")
    bundle = arm.needed(arm.bundle)
    monkeypatch.setattr(
        "seaformer.bench.targets.phone.build_arm64_bundle", lambda say, libraries=(): bundle
    )
    with FakePhone("two-core") as double:
        yield double


@pytest.mark.slow
def test_a_phone_is_as_accurate_as_this_machine_and_keeps_no_image(
    folder: Path, phone: FakePhone, tmp_path: Path
) -> None:
    check(pair(folder, phone.address, tmp_path), phone.address)
    assert left_behind(phone) == []
    cached = [path.stat().st_size for path in (phone.root / "seaformer" / "cache").iterdir()]
    image = 4 * 3 * 64 * 96
    assert not [size for size in cached if size and size % image == 0]


@pytest.mark.slow
def test_a_phone_behind_an_adb_server_is_as_accurate_as_this_machine(
    folder: Path, phone: FakePhone, tmp_path: Path
) -> None:
    with PrivateAdb() as adb:
        adb.connect(phone.address)
        server = TargetOptions(adb_host=f"127.0.0.1:{adb.port}")
        check(pair(folder, phone.address, tmp_path, server), phone.address)
    assert left_behind(phone) == []


@pytest.mark.slow
@pytest.mark.parametrize("format", exports.FORMATS)
def test_half_precision_on_an_emulated_core_gives_the_classes_of_this_machine(
    folder: Path, tmp_path: Path, format: str
) -> None:
    """Arm adds in half precision, x86 in fp32; with seeded weights many classes are near."""
    arm.needed(arm.bundle)
    ade20k = tmp_path / "150 classes"
    shutil.copytree(folder / "shapes", ade20k)
    (ade20k / "classes.json").unlink()
    order = EvalOrder(ade20k, "train", limit=3)
    work = Work(devices=choose_devices("host,emulator", TargetOptions()))
    base, row = evaluate_order(order, [exports.half(format).path], work=work)
    assert (base.images, row.images) == (3, 3)
    assert row.difference is not None
    assert row.difference.argmax_agreement > 0.97


@pytest.mark.slow
def test_a_board_behind_ssh_is_as_accurate_as_this_machine(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require((os.cpu_count() or 1) > 1, "fewer than 2 cores")
    bundle, emulator = arm.needed(arm.bundle), arm.needed(arm.qemu).argv(find_emulated(arm.A76), ())
    monkeypatch.setattr(
        "seaformer.bench.targets.ssh.build_arm64_bundle", lambda say, libraries=(): bundle
    )
    with FakeBoard(tmp_path / "b", emulator) as board:
        monkeypatch.setenv("PATH", f"{board.client}:{os.environ['PATH']}")
        check(pair(folder, "ssh:board", tmp_path / "results"), "ssh:board")
        assert board.left_behind() == []


@pytest.mark.slow
def test_an_evaluation_on_a_phone_continues_after_its_counts_were_kept(
    folder: Path, phone: FakePhone, tmp_path: Path
) -> None:
    part = tmp_path / "part.json"
    order = EvalOrder(folder / "shapes", "train", options=NetworkOptions(mean=GREY, std=GREY))
    devices = choose_devices(phone.address, TargetOptions())
    work = Work(part=part, keep_seconds=0.0, devices=devices)
    pushed: list[str] = []

    def stop(sentence: str) -> None:
        if part.exists():
            raise KeyboardInterrupt

    small = replace(order, limit=4)
    with pytest.raises(KeyboardInterrupt), batches_of(2):
        evaluate_order(small, [folder / "any.onnx"], progress=stop, work=work)
    assert parts.load(part).done == 2
    with batches_of(2):
        (row,) = evaluate_order(
            small, [folder / "any.onnx"], progress=pushed.append, work=replace(work, resume=True)
        )
    assert (row.images, pushed) == (4, ["image 4 of 4"])
    assert left_behind(phone) == []


@contextmanager
def batches_of(count: int) -> Iterator[None]:
    """So few images go to a device at once that a set has several batches."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("seaformer.bench.answers.MOST_IN_A_BATCH", count)
        yield


@dataclass
class Blank:
    """Somebody's phone, on which all scores of all pixels are equal."""

    id: str
    name: str = "phone"
    batch: int = 2

    def open(self, file: object, size: tuple[int, int] | None) -> Blank:
        return self

    def of(self, tensors: Sequence[Array]) -> list[list[Array]]:
        return [[np.zeros((1, 12, 32, 48), np.float32)] for _ in tensors]


def test_two_phones_that_were_named_alike_are_two_devices_of_records(
    folder: Path, tmp_path: Path
) -> None:
    order = EvalOrder(folder / "shapes", "train", limit=3)
    for each in ("pixel-8", "mi-9"):
        phone = Blank(each)
        work = Work(devices=lambda _, phone=phone: nullcontext((phone,)))  # type: ignore[misc]
        (row,) = evaluate_order(order, [folder / "any.onnx"], keeping=Keeping(tmp_path), work=work)
        assert (row.model, row.images) == ("any.onnx on phone", 3)
    assert {one.device for one in load(tmp_path)[0]} == {"pixel-8", "mi-9"}


@dataclass
class Doubling:
    """A device on which the output is twice the input; counts tensors of each call."""

    name: str = "double"
    batch: int = 3
    calls: list[int] = field(default_factory=list)
    fails_at: int = 99

    def open(self, file: object, size: tuple[int, int] | None) -> Doubling:
        return self

    def of(self, tensors: Sequence[Array]) -> list[list[Array]]:
        self.calls.append(len(tensors))
        if len(self.calls) == self.fails_at:
            raise RunnerFailed("the cable was pulled")
        return [[2 * tensor] for tensor in tensors]


def test_images_of_a_batch_go_together_however_often_each_asks() -> None:
    device = Doubling()
    session = Together(device)

    def score(count: int) -> float:
        value = np.ones((1, 1), np.float32)
        for _ in range(count):
            (value,) = session.run([value])
        return float(value[0, 0])

    assert session.each(score, [1, 3, 2]) == [2.0, 8.0, 4.0]
    assert device.calls == [3, 2, 1]
    assert score(1) == 2.0


def test_what_ends_a_batch_ends_every_image_of_it_and_no_other() -> None:
    device = Doubling(fails_at=2)
    session = Together(device)

    def score(count: int) -> float:
        value = np.ones((1, 1), np.float32)
        for _ in range(count):
            (value,) = session.run([value])
        return float(value[0, 0])

    with pytest.raises(RunnerFailed, match="the cable was pulled"):
        session.each(score, [2, 2, 2])
    assert session.each(score, [1, 1]) == [2.0, 2.0]
    with pytest.raises(ZeroDivisionError):
        session.each(lambda item: 1 / item, [1, 0])


INTERRUPTED = """
import signal, threading, time
from seaformer.evaluation.together import Together

class Device:
    batch = 2
    def of(self, tensors):
        return [[tensor] for tensor in tensors]

session = Together(Device())

def score(item):
    if item:
        signal.raise_signal(signal.SIGINT)  # which the main thread gets, as it waits for tensors
    time.sleep(1)
    return session.run([[1.0]])

try:
    session.each(score, [0, 1])
except KeyboardInterrupt:
    print("ended")
"""


def test_ctrl_c_while_images_are_prepared_ends_all_of_them() -> None:
    done = child.run([sys.executable, "-c", INTERRUPTED], 60.0)
    assert done.stdout == "ended\n", done.stderr


def test_several_tensors_of_an_image_on_a_device_are_those_of_this_machine(folder: Path) -> None:
    data: DataSet = open_set(folder / "shapes", "train")
    arm.needed(arm.bundle)
    file, options, mode = folder / "any.onnx", NetworkOptions(mean=GREY, std=GREY), Mode(flip=True)
    with choose_devices("emulator")([file]) as (device,):
        assert device is not None
        pair = (of_file(file, options), on_device(file, device, options))
        _, row = evaluate_set(data, pair, (mode, mode), limit=2)
    assert row.mode == "whole, flipped too, resized to 64x96"
    assert row.difference is not None
    assert row.difference.argmax_agreement > AGREEMENT


def test_a_device_without_a_file_is_refused(folder: Path) -> None:
    with (
        pytest.raises(UsageError, match="--device is for model files"),
        choose_devices("emulator")([]),
    ):
        pass
