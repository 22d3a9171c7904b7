"""From scores and boxes to detections: against a plain loop, and cases worked by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from seaformer.core.errors import ShapeError, UsageError
from seaformer.data.detections import (
    Detections,
    Thresholds,
    detect,
    intersection_over_union,
    suppress,
)

Array = npt.NDArray[Any]


def random_boxes(count: int, seed: int) -> Array:
    rng = np.random.default_rng(seed)
    low = rng.uniform(0, 60, (count, 2))
    return np.concatenate([low, low + rng.uniform(5, 40, (count, 2))], axis=1)


def plain_suppression(boxes: Array, classes: Array, overlap: float) -> list[int]:
    """The definition: a box stays unless a better one that stays, of its class, overlaps it."""
    kept: list[int] = []
    for i, box in enumerate(boxes):
        for j in kept:
            x = min(box[2], boxes[j][2]) - max(box[0], boxes[j][0])
            y = min(box[3], boxes[j][3]) - max(box[1], boxes[j][1])
            shared = max(x, 0) * max(y, 0)
            areas = [(b[2] - b[0]) * (b[3] - b[1]) for b in (box, boxes[j])]
            if classes[i] == classes[j] and shared / (sum(areas) - shared) > overlap:
                break
        else:
            kept.append(i)
    return kept


def test_overlap_of_boxes_worked_by_hand() -> None:
    box = np.array([0.0, 0.0, 10.0, 10.0])
    others = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [10, 0, 20, 10], [3, 3, 3, 3]], float)
    np.testing.assert_allclose(intersection_over_union(box, others), [1, 1 / 3, 0, 0])


@pytest.mark.parametrize("overlap", [0.0, 0.3, 0.5, 1.0])
def test_suppression_is_the_definition(overlap: float) -> None:
    boxes = random_boxes(200, seed=3)
    classes = np.random.default_rng(4).integers(0, 3, 200)
    expected = plain_suppression(boxes, classes, overlap)
    assert suppress(boxes, classes, overlap).tolist() == expected
    assert len(expected) > 3


def image(boxes: Array, rows: list[list[float]]) -> tuple[Array, Array]:
    """Scores (1, K, A) and boxes (1, 4, A) as a detector gives them."""
    return np.array(rows, np.float32)[None], boxes.T[None].astype(np.float32)


def test_the_better_of_two_boxes_stays_and_classes_do_not_compete() -> None:
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [40, 40, 50, 50]], float)
    found = detect(*image(boxes, [[0.6, 0.9, 0.04], [0.5, 0.01, 0.3]]))
    assert [
        (int(c), round(float(s), 2)) for c, s in zip(found.classes, found.scores, strict=True)
    ] == [
        (0, 0.9),
        (1, 0.5),
        (1, 0.3),
    ]
    np.testing.assert_array_equal(found.boxes, boxes[[1, 0, 2]])


def test_thresholds_bound_what_comes_out() -> None:
    boxes = random_boxes(50, seed=5)
    scores = np.random.default_rng(6).uniform(0, 1, (1, 2, 50)).astype(np.float32)
    wanted = Thresholds(score=0.5, overlap=1.0, candidates=20, boxes=7)
    found = detect(scores, boxes.T[None], wanted)
    assert len(found.scores) == 7
    assert found.scores.tolist() == sorted(scores.ravel(), reverse=True)[:7]
    few = detect(scores, boxes.T[None], Thresholds(score=0.5, overlap=1.0, candidates=3))
    assert len(few.scores) == 3


def test_an_image_without_anything_gives_empty_arrays() -> None:
    found = detect(*image(random_boxes(3, 0), [[0.01, 0.02, 0.03]]))
    assert isinstance(found, Detections)
    assert (found.boxes.shape, found.scores.shape, found.classes.shape) == ((0, 4), (0,), (0,))


@pytest.mark.parametrize(
    ("scores", "boxes"),
    [((1, 80, 9), (1, 4, 8)), ((2, 80, 9), (2, 4, 9)), ((80, 9), (4, 9)), ((1, 80, 9), (1, 9, 4))],
)
def test_shapes_that_are_no_detectors_are_refused(
    scores: tuple[int, ...], boxes: tuple[int, ...]
) -> None:
    with pytest.raises(ShapeError, match=r"scores \(1, K, A\)"):
        detect(np.zeros(scores), np.zeros(boxes))


@pytest.mark.parametrize("wrong", [{"score": 1.5}, {"overlap": -0.1}, {"boxes": 0}])
def test_a_threshold_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=next(iter(wrong))):
        Thresholds(**wrong)
