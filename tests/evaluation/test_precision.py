"""Average precision of a detector: by hand on a few boxes, and through an evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from seaformer.core.spec import ModelSpec
from seaformer.data.dataset import DETECTION, DataSet
from seaformer.data.sets import open_set, read_image
from seaformer.data.synth import synthesise
from seaformer.evaluation.answers import Boxes, FoundBox
from seaformer.evaluation.modes import Mode
from seaformer.evaluation.precision import ImageBoxes, average_precision
from seaformer.evaluation.predictor import Array, of_session
from seaformer.evaluation.run import evaluate_set
from seaformer.models import model_spec
from seaformer.models._anchors import anchors


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> DataSet:
    folder = tmp_path_factory.mktemp("set") / "objects"
    return open_set(synthesise(folder, 10, 3, task=DETECTION).folder, "train")


def found(
    data: DataSet, *, move: float = 0, wrong: bool = False, only: int = 99
) -> list[ImageBoxes]:
    """What would be found with every annotation, or some, moved or under another class."""
    return [
        ImageBoxes(
            sample.id,
            Boxes(
                tuple(
                    FoundBox(
                        box.x1 + move * (box.x2 - box.x1),
                        box.y1,
                        box.x2 + move * (box.x2 - box.x1),
                        box.y2,
                        (box.label + 1) % 7 if wrong else box.label,
                        0.9,
                    )
                    for box in sample.boxes[:only]
                )
            ),
        )
        for sample in data.samples
    ]


def test_what_is_annotated_is_100_and_another_class_or_nothing_is_0(objects: DataSet) -> None:
    assert average_precision(objects, found(objects)) == pytest.approx(100)
    assert average_precision(objects, found(objects, wrong=True)) < 20  # some classes are beside
    assert average_precision(objects, found(objects, only=0)) == 0


def test_a_box_beside_its_object_counts_at_the_overlaps_it_reaches(objects: DataSet) -> None:
    """Moved by a fifth of its width the overlap is 0.8 / 1.2 = 0.667: 4 of the 10 limits."""
    assert average_precision(objects, found(objects, move=0.2)) == pytest.approx(40, abs=0.5)


class Knowing:
    """A session of a detector whose anchors are where the annotations of one image are."""

    scope = "boxes"

    def __init__(self, data: DataSet, spec: ModelSpec) -> None:
        self.spec, self._data, self._next = spec, data, 0

    def run(self, arrays: Sequence[Array], method: str = "forward") -> list[Array]:
        assert arrays[0].shape == self.spec.input_shape
        sample = self._data.samples[self._next]
        self._next += 1
        count = anchors(self.spec.height, self.spec.width)[0].shape[1]
        scores, boxes = np.zeros((1, 7, count), np.float32), np.zeros((1, 4, count), np.float32)
        height, width = read_image(sample.image).shape[:2]
        for i, box in enumerate(sample.boxes):
            scores[0, box.label, i] = 0.9
            x, y = self.spec.width / width, self.spec.height / height
            boxes[0, :, i] = box.x1 * x, box.y1 * y, box.x2 * x, box.y2 * y
        return [scores, boxes]

    def heat(self) -> Array | None:
        return None


def test_an_evaluation_scales_boxes_to_the_image_and_counts_them(objects: DataSet) -> None:
    spec = model_spec("seaformer_t.coco", size=(96, 160), classes=7)
    (row,) = evaluate_set(objects, [of_session(Knowing(objects, spec))], [Mode()])
    assert row.ap == pytest.approx(100, abs=0.5)
    assert (row.miou, row.top1, row.mode) == (None, None, "resized to 96x160")
    assert row.images == len(objects.samples)


@pytest.mark.slow
def test_a_detector_of_the_zoo_is_evaluated_by_name(objects: DataSet, tmp_path: Path) -> None:
    import seaformer

    (row,) = seaformer.evaluate(
        model="seaformer_t.coco", data=objects.folder, split="train", limit=1, results=tmp_path
    )
    assert row.ap is not None
    assert 0 <= row.ap < 50  # seeded weights
