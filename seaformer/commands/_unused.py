"""Options of a bench that would have no effect, because of what is named beside them."""

from __future__ import annotations

from dataclasses import fields

from seaformer.commands._options import FileGroup, ModelOptions, PlanOptions, QuantizeOptions
from seaformer.core.errors import UsageError
from seaformer.core.preprocessing import INPUTS

_OF_BOTH = ("size", "components")


def check_files_alone(
    models: ModelOptions, integers: QuantizeOptions, format: str, default: str
) -> None:
    """Raise ``UsageError`` for options that choose or make files, where files are named."""
    given = [*_given(models), *_given(integers)] + ["format"] * (format != default)
    for name in given:
        raise UsageError(
            f"--{name.replace('_', '-')} is for models by name: a file is timed as it is.",
            hint="Name files, or models with --variant or --model, and not both.",
        )


def check_names_alone(about: FileGroup) -> None:
    """Raise ``UsageError`` for options about files, where models are named."""
    inputs = [text for text in about.input or () if text not in INPUTS]
    for name, values in (
        ("input", inputs), ("reference", about.reference), ("shape", about.shape),
    ):  # fmt: skip
        if values:
            raise UsageError(
                f"--{name} {values[0]} is for files: models by name have inputs of their own.",
                hint="Name a file: seaformer bench FILE",
            )


def check_estimated(how: PlanOptions, *, again: bool) -> None:
    """Raise ``UsageError`` for options of a measurement, where estimates are asked for."""
    for name in [*_given(how)] + ["again"] * again:
        raise UsageError(
            f"--{name.replace('_', '-')} is for measurements: an estimate is computed of one core.",
            hint="Leave it out; --device estimate:CORE names the core.",
        )


def _given(group: ModelOptions | PlanOptions | QuantizeOptions) -> list[str]:
    """The options that differ from their defaults, without those that files take too."""
    names = (field.name for field in fields(group) if getattr(group, field.name) != field.default)
    return [name for name in names if name not in _OF_BOTH]
