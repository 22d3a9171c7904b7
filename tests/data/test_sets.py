"""Generated sets, official layouts, and what a check reports of broken ones: real files."""

from __future__ import annotations

import hashlib
import json
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from seaformer.core.errors import DataError, UsageError
from seaformer.data.check import check_set
from seaformer.data.sets import apply_rule, open_set, read
from seaformer.data.synth import synthesise


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return synthesise(tmp_path_factory.mktemp("data") / "set with spaces", 10, 3).folder


@pytest.fixture
def copied(shapes: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(shapes, tmp_path / "copy"))


def save(path: Path, pixels: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(pixels, dtype=np.uint8)).save(path)


def digest(folder: Path) -> str:
    total = hashlib.sha256()
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        total.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    return total.hexdigest()


def test_one_seed_gives_the_same_bytes_and_another_does_not(tmp_path: Path) -> None:
    a, b, c = (synthesise(tmp_path / n, 4, s).folder for n, s in (("a", 1), ("b", 1), ("c", 2)))
    assert digest(a) == digest(b) != digest(c)


def test_a_generated_set_has_every_class_and_several_sizes(shapes: Path) -> None:
    data = open_set(shapes, "train")
    pictures = [read(data, sample) for sample in data.samples]
    labels = np.unique(np.concatenate([p.mask.reshape(-1) for p in pictures if p.mask is not None]))
    assert (len(data.samples), data.kind, data.classes, data.reduce_zero) == (8, "ade20k", 12, True)
    assert set(labels) == {*range(12), 255}
    assert len({p.image.shape for p in pictures}) > 2
    assert check_set(shapes).problems == ()


@pytest.mark.parametrize(("task", "kind"), [("classification", "imagenet"), ("detection", "coco")])
def test_other_tasks_pass_their_own_check(tmp_path: Path, task: str, kind: str) -> None:
    folder = synthesise(tmp_path / task, 20, 0, task).folder
    result = check_set(folder)
    assert (result.kind, result.faults) == (kind, ())
    data = open_set(folder, "train")
    for sample in data.samples:
        height, width = read(data, sample).image.shape[:2]
        assert sample.label is not None or sample.boxes
        for box in sample.boxes:
            assert 0 <= box.x1 < box.x2 <= width
            assert 0 <= box.y1 < box.y2 <= height


def test_the_rule_of_ade20k_is_applied_to_every_label() -> None:
    mask = np.array([[0, 1, 2, 150, 254, 255]], dtype=np.uint8)
    assert apply_rule(mask, reduce_zero=True).tolist() == [[255, 0, 1, 149, 253, 255]]


def test_a_broken_set_is_described_by_kind(copied: Path) -> None:
    masks = sorted((copied / "annotations" / "training").iterdir())
    images = sorted((copied / "images" / "training").iterdir())
    masks[0].unlink()
    save(masks[1], np.full(np.asarray(Image.open(masks[1])).shape, 40))
    save(masks[2], np.ones((5, 7)))
    images[3].write_bytes(images[3].read_bytes()[:300])
    faults = " ".join(check_set(copied).faults)
    assert f"train: 1 image has no mask ({images[0].name})" in faults
    assert f"has labels above 12, the last of 12 classes ({masks[1].name})" in faults
    assert f"differs in size from their masks ({images[2].name})" in faults
    assert f"cannot be read ({images[3].name})" in faults
    with pytest.raises(DataError, match="1 image has no mask"):
        open_set(copied, "train")
    data = open_set(copied, "val")
    assert len(data.samples) == 2


def test_the_line_that_checks_a_set_can_be_pasted(tmp_path: Path, shapes: Path) -> None:
    folder = tmp_path / "mit leer zeichen's"
    shutil.copytree(shapes, folder)
    next((folder / "annotations/validation").glob("*.png")).unlink()
    with pytest.raises(DataError) as caught:
        open_set(folder, "val")
    assert shlex.split(caught.value.hint) == ["seaformer", "data", "check", str(folder)]


def test_an_image_whose_header_has_absurd_sides_is_reported(copied: Path) -> None:
    (image, *_) = sorted((copied / "images" / "training").iterdir())
    content = bytearray(image.read_bytes())
    sides = content.index(b"\xff\xc0") + 5  # height and width of a JPEG's first frame
    content[sides : sides + 4] = b"\xff" * 4
    image.write_bytes(content)
    assert f"train: 1 file cannot be read ({image.name})." in check_set(copied).faults


def test_a_class_without_images_is_reported_in_the_words_of_the_task(tmp_path: Path) -> None:
    for split in ("train", "val"):
        save(tmp_path / split / "dog/a.png", np.zeros((4, 4, 3)))
        for name in ("cat", "eel"):
            (tmp_path / split / name).mkdir()
    assert "2 classes are in no image (cat, eel)." in check_set(tmp_path).problems
    for split in ("train", "val"):
        (tmp_path / split / "eel").rmdir()
    assert "1 class is in no image (cat)." in check_set(tmp_path).problems


def test_raw_labels_of_cityscapes_are_refused_with_the_line_that_converts_them(
    tmp_path: Path,
) -> None:
    save(tmp_path / "leftImg8bit/val/ulm/a_leftImg8bit.png", np.zeros((4, 6, 3)))
    save(tmp_path / "gtFine/val/ulm/a_gtFine_labelIds.png", np.zeros((4, 6)))
    with pytest.raises(DataError, match="raw labelIds") as caught:
        open_set(tmp_path, "val")
    assert "csCreateTrainIdLabelImgs" in caught.value.hint
    save(tmp_path / "gtFine/val/ulm/a_gtFine_labelTrainIds.png", np.full((4, 6), 18))
    assert open_set(tmp_path, "val").classes == 19
    save(tmp_path / "gtFine/val/ulm/a_gtFine_labelTrainIds.png", np.full((4, 6), 26))
    assert any("not trainIds" in fault for fault in check_set(tmp_path).faults)


def test_a_flat_validation_set_of_imagenet_is_refused(tmp_path: Path) -> None:
    save(tmp_path / "train/n01/a.JPEG", np.zeros((4, 4, 3)))
    save(tmp_path / "val/b.JPEG", np.zeros((4, 4, 3)))
    with pytest.raises(DataError, match="val is flat: 1 image lies in it"):
        open_set(tmp_path, "val")


def test_pascal_context_has_60_classes_or_59_by_choice(tmp_path: Path) -> None:
    root = tmp_path / "VOCdevkit" / "VOC2010"
    save(root / "JPEGImages/x.jpg", np.zeros((4, 4, 3)))
    save(root / "SegmentationClassContext/x.png", [[0, 1, 59, 2]] * 4)
    lists = root / "ImageSets" / "SegmentationContext"
    lists.mkdir(parents=True)
    (lists / "val.txt").write_text("x\n")
    for kind, classes, first in (
        (None, 60, [0, 1, 59, 2]),
        ("pascal_context_59", 59, [255, 0, 58, 1]),
    ):
        data = open_set(tmp_path, "val", kind)
        mask = read(data, data.samples[0]).mask
        assert mask is not None
        assert (data.classes, mask[0].tolist()) == (classes, first)


@pytest.mark.parametrize(
    ("kind", "folder", "first"),
    [("coco_stuff_10k", "test2014", 255), ("coco_stuff_164k", "val2017", 0)],
)
def test_coco_stuff_differs_in_what_zero_means(
    tmp_path: Path, kind: str, folder: str, first: int
) -> None:
    save(tmp_path / f"images/{folder}/x.jpg", np.zeros((4, 4, 3)))
    save(tmp_path / f"annotations/{folder}/x_labelTrainIds.png", np.zeros((4, 4)))
    data = open_set(tmp_path, "val")
    mask = read(data, data.samples[0]).mask
    assert mask is not None
    assert (data.kind, data.classes, int(mask[0, 0])) == (kind, 171, first)


def test_impossible_requests_are_refused(tmp_path: Path, shapes: Path) -> None:
    with pytest.raises(UsageError, match="--images must be from 2"):
        synthesise(tmp_path / "a", 1)
    with pytest.raises(UsageError, match="not an empty folder"):
        synthesise(shapes, 4)
    with pytest.raises(DataError, match="is not a data set of a known layout"):
        open_set(tmp_path)
    (tmp_path / "classes.json").write_text(json.dumps({"schema": 1, "names": []}))
    (tmp_path / "images" / "training").mkdir(parents=True)
    with pytest.raises(DataError, match="1 class or more"):
        open_set(tmp_path)


def test_two_images_of_one_mask_are_refused_by_name(tmp_path: Path) -> None:
    folder = synthesise(tmp_path / "set", 4, seed=1).folder
    images = folder / "images" / "validation"
    (first,) = images.iterdir()
    Image.open(first).save(first.with_suffix(".png"))
    name = first.stem
    with pytest.raises(DataError, match=rf"{name}\.jpg and {name}\.png share the mask {name}\.png"):
        open_set(folder, "val")
