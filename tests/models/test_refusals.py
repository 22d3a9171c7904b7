"""What is refused with advice, for every family of models by existing: its smallest row is given
checkpoints that are not its own, and sizes it cannot take."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from seaformer.core.errors import ShapeError, WeightsMismatch
from seaformer.core.spec import ModelSpec
from seaformer.models import FAMILIES, create_model, list_models, model_spec, zoo_entry
from seaformer.models._zoo import family_names

ROWS = sorted((zoo_entry(name) for name in list_models()), key=lambda entry: entry.params)
SPECS: list[ModelSpec] = [entry.spec for entry in ROWS]  # the smallest first


def smallest(family: str) -> ModelSpec:
    return next(spec for spec in SPECS if spec.family == family)


def saved(folder: Path, name: str, classes: int | None = None) -> Path:
    """A checkpoint under the official names."""
    network = create_model(name, seed=1, classes=classes)
    names = FAMILIES.load(network.spec.family).official_keys(network)
    torch.save({names[k]: v for k, v in network.state_dict().items()}, folder / "w.pth")
    return folder / "w.pth"


def advice(path: Path, asked: str) -> str:
    with pytest.raises(WeightsMismatch) as caught:
        create_model(asked, checkpoint=path)
    assert "\n" not in caught.value.message + caught.value.hint
    return caught.value.hint


def names_in(hint: str) -> ModelSpec:
    """The model that an advice tells to use."""
    from seaformer.models import from_variant

    words = hint.rstrip(".").split()
    if "--model" in words:
        return model_spec(words[words.index("--model") + 1])
    return model_spec(from_variant(words[words.index("--variant") + 1]))


@pytest.mark.parametrize("family", family_names())
def test_a_checkpoint_with_other_classes_is_answered_with_the_option(
    family: str, tmp_path: Path
) -> None:
    asked = smallest(family)
    hint = advice(saved(tmp_path, asked.name, classes=7), asked.name)
    assert "add --classes 7." in hint
    loaded = create_model(asked.name, checkpoint=tmp_path / "w.pth", classes=7)
    assert loaded.spec.classes == 7


def larger_one(family: str) -> ModelSpec | None:
    """The next larger size of the smallest model; ``None`` for a family of one size."""
    asked = smallest(family)
    return next(
        (
            spec
            for spec in SPECS
            if (spec.family, spec.task) == (family, asked.task)
            and spec.name.partition(".")[0] != asked.name.partition(".")[0]
            and zoo_entry(spec.name).params > 1.02 * zoo_entry(asked.name).params
        ),
        None,
    )


@pytest.mark.parametrize("family", [each for each in family_names() if larger_one(each)])
def test_a_checkpoint_of_the_next_larger_neighbour_is_answered_with_its_name(
    family: str, tmp_path: Path
) -> None:
    asked, larger = smallest(family), larger_one(family)
    assert larger is not None
    use = names_in(advice(saved(tmp_path, larger.name), asked.name))
    assert use.name.partition(".")[0] == larger.name.partition(".")[0]
    assert use.classes == larger.classes


@pytest.mark.parametrize("family", family_names())
def test_a_checkpoint_of_another_task_is_answered_with_the_model_of_that_task(
    family: str, tmp_path: Path
) -> None:
    asked = smallest(family)
    others = [spec for spec in SPECS if spec.task != asked.task]
    other = next((spec for spec in others if spec.family == family), others[0])
    use = names_in(advice(saved(tmp_path, other.name), asked.name))
    assert (use.name, use.task) == (other.name, other.task)


@pytest.mark.parametrize("family", family_names())
def test_a_size_a_family_cannot_take_is_answered_with_one_it_can(family: str) -> None:
    asked = smallest(family)
    for wrong in ((31, 64), (128, 16), (1 << 20, 64)):
        with pytest.raises(ShapeError) as caught:
            model_spec(asked.name, size=wrong)
        assert f"{wrong[0]}x{wrong[1]}" in caught.value.message
        sizes = [word for word in caught.value.hint.replace(".", " ").split() if "x" in word]
        near = next(word for word in sizes if word.replace("x", "").isdigit())
        height, width = map(int, near.split("x"))
        assert model_spec(asked.name, size=(height, width)).input_shape[2:] == (height, width)
