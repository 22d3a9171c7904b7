"""Distillation: the losses against values by hand, what gradients reach, and tiny whole runs."""

from __future__ import annotations

import csv
import math
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from seaformer.core.errors import SeaFormerError, UnknownName, UsageError
from seaformer.data.synth import synthesise
from seaformer.models import create_model
from seaformer.models._blocks import Network
from seaformer.models._plus_networks import SeaFormerStudent
from seaformer.models.seaformer import SeaFormer
from seaformer.training.distillation import (
    FULL,
    HALF,
    Distillation,
    Distilling,
    Weights,
    dissimilarity,
    divergence,
    method_of,
    methods,
)
from seaformer.training.loop import TrainPlan, train
from seaformer.training.losses import Batch
from seaformer.training.recipes import Recipe

TEACHER, STUDENT = "seaformer_t.synth", "seaformerpp_t_kd.synth"
RECIPE = Recipe(crop=(64, 64), average="labelled")


@pytest.fixture(scope="module")
def pair() -> tuple[Network, Network]:
    return create_model(STUDENT, seed=1, size=(64, 64)), create_model(TEACHER, size=(64, 64))


@pytest.fixture
def batch() -> Batch:
    drawn = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 12, (2, 64, 64), generator=drawn)
    labels[:, :8] = 255
    return Batch(torch.randn(2, 3, 64, 64, generator=drawn), labels)


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(synthesise(tmp_path_factory.mktemp("set"), 6, seed=1).folder)


def test_similarity_of_stages_is_over_channels_and_a_mean_over_places() -> None:
    stage = torch.tensor([[[[1.0, 3.0]], [[0.0, 4.0]]]])  # vectors (1, 0) and (3, 4)
    taught = torch.tensor([[[[2.0, 4.0]], [[0.0, 3.0]]]])  # vectors (2, 0) and (4, 3)
    assert float(dissimilarity([stage], [taught])) == pytest.approx(-(1 + 24 / 25) / 2)
    opposite = dissimilarity([stage, stage], [taught, -stage])
    assert float(opposite) == pytest.approx((-(1 + 24 / 25) / 2 + 1) / 2)


def test_divergence_is_of_the_student_from_the_teacher() -> None:
    student = torch.tensor([0.5, 0.5]).log().reshape(1, 2, 1, 1)
    teacher = torch.tensor([0.9, 0.1]).log().reshape(1, 2, 1, 1)
    expected = 0.9 * math.log(0.9 / 0.5) + 0.1 * math.log(0.1 / 0.5)
    assert float(divergence(student, teacher)) == pytest.approx(expected)
    assert float(divergence(teacher, teacher)) == pytest.approx(0, abs=1e-7)


def entropy(logits: Tensor, labels: Tensor) -> Tensor:
    logits = F.interpolate(logits, size=labels.shape[1:], mode="bilinear", align_corners=False)
    return F.cross_entropy(logits, labels, ignore_index=255)


@pytest.mark.parametrize("resolution", [FULL, HALF])
def test_the_loss_is_equation_7(
    pair: tuple[Network, Network], batch: Batch, resolution: str
) -> None:
    student, teacher = pair
    assert isinstance(student, SeaFormerStudent)
    assert isinstance(teacher, SeaFormer)
    how = Distillation(TEACHER, resolution=resolution, weights=Weights(0.5, 2.0, 3.0, 4.0))
    loss = Distilling(student, teacher, RECIPE, how)(student, batch)

    x8, x16 = student.stem(batch.images)
    ours = student.upsampling(x8, x16, *student.context(x16))
    images = F.avg_pool2d(batch.images, 2) if resolution == HALF else batch.images
    x8 = teacher.stem(images)
    theirs = [x8, *teacher.context(x8)]
    assert [x.shape[1] for x in ours] == [x.shape[1] for x in theirs] == [32, 128, 160]
    logits, taught = student(batch.images), teacher(images)
    if resolution == HALF:
        sizes = [x.shape[2:] for x in ours]
        theirs = [
            F.interpolate(x, size=size, mode="bilinear")
            for x, size in zip(theirs, sizes, strict=True)
        ]
        taught = F.interpolate(taught, size=logits.shape[2:], mode="bilinear")
    cosines = [
        ((x * y).sum(1) / (x.norm(dim=1) * y.norm(dim=1))).mean()
        for x, y in zip(ours, theirs, strict=True)
    ]
    shares = taught.softmax(1)
    expected = {
        "cls": entropy(logits, batch.labels),
        "cross": entropy(teacher.head(teacher.spatial(*ours)), batch.labels),
        "feat": -torch.stack(cosines).mean(),
        "out": (shares * (shares / logits.softmax(1)).log()).sum(1).mean(),
    }
    parts = dict(loss.parts)
    for name, value in expected.items():
        assert float(parts[name]) == pytest.approx(float(value.detach()), rel=1e-4), name
    weighed = 0.5 * parts["cls"] + 2 * parts["cross"] + 3 * parts["feat"] + 4 * parts["out"]
    assert float(loss.value.detach()) == pytest.approx(float(weighed), rel=1e-5)


@pytest.mark.parametrize("weights", [Weights(0, 1, 0, 0), Weights(0, 0, 1, 0), Weights(0, 0, 0, 1)])
def test_gradients_reach_student_and_upsampling_and_never_the_teacher(
    pair: tuple[Network, Network], batch: Batch, weights: Weights
) -> None:
    student, teacher = pair
    objective = Distilling(student, teacher, RECIPE, Distillation(TEACHER, weights=weights))
    before = {key: value.clone() for key, value in teacher.state_dict().items()}
    student.train().zero_grad()
    objective(student, batch).value.backward()  # type: ignore[no-untyped-call]
    student.eval()
    for part in ("stem", "context", "upsampling"):
        gradients = [p.grad for p in student.get_submodule(part).parameters()]
        assert all(each is not None and each.isfinite().all() for each in gradients), part
        assert any(bool(each.any()) for each in gradients if each is not None), part
    assert all(p.grad is None and not p.requires_grad for p in teacher.parameters())
    assert all(torch.equal(before[key], value) for key, value in teacher.state_dict().items())


@pytest.mark.slow
def test_runs_lower_the_loss_and_continue_exactly(shapes: str, tmp_path: Path) -> None:
    how = Distillation(TEACHER)
    plan = TrainPlan(STUDENT, shapes, str(tmp_path / "a"), 6, batch=2, every=3, distillation=how)
    sentences: list[str] = []
    result = train(plan, notice=sentences.append)
    assert any("35.5 mIoU" in line for line in sentences)
    assert any("--teacher-checkpoint" in line for line in sentences)
    assert create_model(STUDENT, result.checkpoint).checkpoint is not None

    class StoppedError(Exception):
        pass

    def stop(done: int, of: int, loss: float) -> None:
        if done == 4:
            raise StoppedError

    other = replace(plan, out=str(tmp_path / "b"))
    with pytest.raises(StoppedError):
        train(other, progress=stop)
    changed = replace(other, distillation=replace(how, method="cls"))
    with pytest.raises(UsageError, match=r"other options: distillation method .*got cls\)"):
        train(changed, resume=True)
    train(other, resume=True)
    logs = [(tmp_path / name / "log.csv").read_text() for name in "ab"]
    assert logs[0] == logs[1]
    losses = [float(row["loss"]) for row in csv.DictReader(logs[0].splitlines())]
    assert sum(losses[-2:]) < sum(losses[:2])


def test_a_trained_teacher_of_any_family_teaches_by_its_output(shapes: str, tmp_path: Path) -> None:
    first = train(TrainPlan("seaformer_t.synth", shapes, str(tmp_path / "t"), 1, batch=2))
    out = method_of("cls+out").weights
    for name, checkpoint in (("seaformer_t.synth", str(first.checkpoint)), ("topformer_t", "")):
        how = Distillation(name, checkpoint, method="cls+out", weights=out)
        folder = str(tmp_path / name)
        plan = TrainPlan(STUDENT, shapes, folder, 1, batch=2, distillation=how)
        assert math.isfinite(train(plan).loss)


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        (Distillation("seaformer_s.synth"), "48, 160, 192.*same size"),
        (Distillation("seaformer_t.synth_classes"), "distillation supports segmentation"),
        (Distillation("seaformer_x"), "seaformer_x"),
    ],
)
def test_teachers_that_cannot_teach_are_refused(
    shapes: str, tmp_path: Path, how: Distillation, sentence: str
) -> None:
    plan = TrainPlan(STUDENT, shapes, str(tmp_path / "run"), 1, batch=2, distillation=how)
    with pytest.raises(SeaFormerError) as caught:
        train(plan)
    assert re.search(sentence, f"{caught.value} {caught.value.hint}")


def test_weights_methods_and_resolutions_are_checked() -> None:
    with pytest.raises(UsageError, match=r"at least 0.*got 1, -1, 1, 1"):
        Distillation(TEACHER, weights=Weights(cross=-1))
    with pytest.raises(UsageError, match="--teacher-ema requires --teacher-checkpoint"):
        Distillation(TEACHER, ema=True)
    with pytest.raises(UsageError, match="one above 0"):
        Distillation(TEACHER, weights=Weights(0, 0, 0, 0))
    with pytest.raises(UsageError, match="at least 0"):
        Distillation(TEACHER, weights=Weights(math.nan))
    with pytest.raises(UnknownName, match="full, half"):
        Distillation(TEACHER, resolution="third")
    with pytest.raises(UnknownName, match=r"cls\+out\+feat\+cross"):
        method_of("cls+feet")


def test_every_row_of_table_18_is_a_method() -> None:
    published = {name: row.published_miou for name, row in methods().items()}
    assert published == {
        "cls": 32.5,
        "cls+out": 33.7,
        "cls+out+feat": 34.7,
        "cls+out+feat+cross": 35.5,
        "half-teacher": 32.1,
    }
    assert [row.name for row in methods().values() if row.resolution == HALF] == ["half-teacher"]
