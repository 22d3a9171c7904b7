"""Options that more than one command has, each written once, and groups of them.

A group is a frozen dataclass. A command marked ``@grouped`` takes it whole, while Typer sees each
of its fields as an option of its own, under a heading named after the group.
"""

from __future__ import annotations

import copy
import dataclasses
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, get_type_hints

import typer

from seaformer.commands import _complete
from seaformer.core.precision import BASE, names

ROWS_SHOWN = 40  # more are too many for a terminal, unless asked for

Variants = Annotated[
    str,
    typer.Option(
        "--variant",
        help="SeaFormer sizes: t,s,b,l; SeaFormer++: t++, distilled t++kd",
        autocompletion=_complete.variants,
    ),
]
Model = Annotated[
    str,
    typer.Option(
        "--model",
        help="names or globs: seaformer_t.*,seaformer_b",
        autocompletion=_complete.models,
    ),
]
Precision = Annotated[
    str, typer.Option(help=",".join(names()), autocompletion=_complete.precisions)
]
Size = Annotated[str, typer.Option(help="image size HxW; the model's own when absent")]
Scope = Annotated[
    str,
    typer.Option(
        help="what the graph ends with: logits, upsample, argmax or boxes",
        autocompletion=_complete.scopes,
    ),
]
Checkpoint = Annotated[
    str,
    typer.Option(
        help="trained weights: a file, folder or index, or a name (docs/training.md); seeded when "
        "absent"
    ),
]
Ema = Annotated[bool, typer.Option("--ema", help="the averaged weights of the checkpoint")]
Backbone = Annotated[str, typer.Option(help="weights of the backbone alone; the rest is seeded")]
Classes = Annotated[int, typer.Option(help="number of classes; 0: the data set's")]
Components = Annotated[
    bool, typer.Option("--components", help="the network's parts too, beside the whole")
]
Calibration = Annotated[
    str, typer.Option(metavar="DIR", help="int8: images that decide ranges; 32 or more")
]
Observer = Annotated[
    str,
    typer.Option(
        help="int8: minmax, percentile, mse or histogram", autocompletion=_complete.observers
    ),
]
Int8Keep = Annotated[
    str,
    typer.Option(
        "--int8-keep",
        metavar="NAME,...",
        help="int8: modules that stay in float; auto: and those that a search adds",
    ),
]
MaxDrop = Annotated[
    float | None,
    typer.Option(
        "--max-drop",
        metavar="POINTS",
        help="int8: points that auto may leave lost [1], or the file is refused",
        show_default=False,
    ),
]
JudgingData = Annotated[
    str,
    typer.Option(
        "--data", metavar="DIR", help="int8: a data set whose metric --max-drop counts in points"
    ),
]
Int8For = Annotated[
    str,
    typer.Option(
        "--int8-for",
        metavar="CPU",
        help="int8: whose kernels the file is for: arm64, arm64_half or x86_64 [arm64]",
        autocompletion=_complete.cpus,
    ),
]
Results = Annotated[str, typer.Option("--results", help="results folder [$SEAFORMER_RESULTS]")]
AdbHost = Annotated[
    str, typer.Option("--adb-host", help="HOST[:PORT] of another machine's adb server")
]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON instead of a table")]
TailName = Annotated[
    str,
    typer.Option(
        "--tail",
        help="also: argmax, upsampling and argmax of logits, in one pass",
        autocompletion=_complete.tails,
    ),
]
Yes = Annotated[bool, typer.Option("--yes", help="delete without asking")]
Wide = Annotated[
    bool, typer.Option("--wide", help="print every column, also where lines get too long")
]


@dataclass(frozen=True)
class ModelOptions:
    """Which models, and how their files are made."""

    HEADING: ClassVar = "Models"
    variant: Variants = ""
    model: Model = ""
    precision: Precision = BASE.name
    size: Size = ""
    scope: Scope = "logits"
    components: Components = False
    checkpoint: Checkpoint = ""
    classes: Classes = 0
    ema: Ema = False
    backbone: Backbone = ""


@dataclass(frozen=True)
class QuantizeOptions:
    """How the integers of a file are made."""

    HEADING: ClassVar = "INT8"
    calibration: Calibration = ""
    observer: Observer = ""
    int8_keep: Int8Keep = ""
    max_drop: MaxDrop = None
    data: JudgingData = ""
    int8_for: Int8For = ""


@dataclass(frozen=True)
class FileGroup:
    """Any file that an engine runs, without a manifest beside it."""

    HEADING: ClassVar = "Files without a manifest"
    input: Annotated[
        list[str] | None,
        typer.Option(
            "--input",
            metavar="[NAME=]FILE.npy",
            help="an input; may be repeated. Of models by name: uint8, uint8-nhwc",
        ),
    ] = None
    reference: Annotated[
        list[str] | None,
        typer.Option(
            "--reference", metavar="[NAME=]FILE.npy", help="the expected output; may be repeated"
        ),
    ] = None
    shape: Annotated[
        list[str] | None,
        typer.Option(
            "--shape", metavar="NAME=N", help="a free dimension, or an input: image=1x3x512x512"
        ),
    ] = None


@dataclass(frozen=True)
class PlanOptions:
    """How latency is measured; -1 is the adaptive rule."""

    HEADING: ClassVar = "Measurement"
    threads: Annotated[int, typer.Option(help="1: the calling thread, no pool")] = 1
    core: Annotated[str, typer.Option(help="prime, big, little, a number, or 4-7")] = "prime"
    warmup: Annotated[int, typer.Option(help="exact warm-up runs; -1: adaptive")] = -1
    runs: Annotated[
        int, typer.Option(help="exact timed runs; -1: until the interval is narrow")
    ] = -1
    min_secs: Annotated[float, typer.Option(help="time at least this long")] = 3.0
    max_secs: Annotated[float, typer.Option(help="time at most this long")] = 20.0
    repeats: Annotated[int, typer.Option(help="fresh processes per artifact")] = 3


@dataclass(frozen=True)
class DeviceOptions:
    """Where to run, and what to do about the state of a phone."""

    HEADING: ClassVar = "Device"
    device: Annotated[
        str,
        typer.Option(
            help="host, emulator[:CORE], phone (the only one), serials, HOST:PORT, all, ssh:HOST",
            envvar=["SEAFORMER_DEVICE", "ANDROID_SERIAL"],
            autocompletion=_complete.devices,
        ),
    ] = "host"
    adb_host: AdbHost = ""
    resume: Annotated[bool, typer.Option("--resume", help="continue an interrupted bench")] = False
    force: Annotated[
        bool, typer.Option("--force", help="measure in a state that would be refused; it is noted")
    ] = False


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command take groups of options: each field becomes an option for Typer."""
    signature = inspect.signature(command, eval_str=True)
    groups: dict[str, Any] = {}
    parameters: list[inspect.Parameter] = []
    for parameter in signature.parameters.values():
        if dataclasses.is_dataclass(parameter.annotation):
            groups[parameter.name] = parameter.annotation
            parameters += _options(parameter.annotation)
        else:
            parameters.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))

    def run(**options: Any) -> None:
        for name, group in groups.items():
            fields = dataclasses.fields(group)
            options[name] = group(**{field.name: options.pop(field.name) for field in fields})
        command(**options)

    run.__doc__ = command.__doc__
    run.__name__ = command.__name__
    run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {each.name: each.annotation for each in parameters}
    return run


def _options(group: Any) -> Iterator[inspect.Parameter]:
    """The fields of a group as parameters, with the group's heading in the help."""
    hints = get_type_hints(group, include_extras=True)
    for field in dataclasses.fields(group):
        kind, option = hints[field.name].__origin__, copy.copy(hints[field.name].__metadata__[0])
        option.rich_help_panel = group.HEADING
        yield inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=field.default,
            annotation=Annotated[kind, option],
        )
