"""What ``export_model`` answers for what is not a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from torch import nn

from seaformer.core.errors import UsageError
from seaformer.export import export_model

CASES: dict[str, tuple[Any, str, str]] = {
    "class": (nn.Identity, "the class Identity", "Call it: export_model(Identity(), ...)"),
    "function": (nn.init.zeros_, "a function", "Call it"),
    "weights": (nn.Linear(1, 1).state_dict(), "an OrderedDict", "checkpoint=PATH"),
    "none": (None, "got None", "export_model(Net()"),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_not_a_model_is_named_with_what_to_do(tmp_path: Path, case: str) -> None:
    given, seen, hint = CASES[case]
    with pytest.raises(UsageError, match="model must be a name") as refused:
        export_model(given, shape=(1, 3, 32, 32), out=tmp_path)
    assert seen in refused.value.message
    assert hint in refused.value.hint


def test_a_shape_in_words_is_repeated_as_it_was_given(tmp_path: Path) -> None:
    text: Any = "1x3x32x32"
    with pytest.raises(UsageError, match=r"four numbers, \(1, C, H, W\) \(got '1x3x32x32'\)"):
        export_model(nn.Identity(), shape=text, out=tmp_path)
