"""``export_model``: the arguments of Python's verb as a request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import nn

from seaformer.core.artifact import Artifact, ScopeName
from seaformer.core.engine import DEFAULT_FORMAT, FormatName
from seaformer.core.errors import UsageError
from seaformer.core.precision import DEFAULT_PRECISION, PrecisionName
from seaformer.core.preprocessing import FLOAT, Three
from seaformer.core.request import ExportRequest
from seaformer.export._pipeline import export
from seaformer.export._steps import Progress
from seaformer.export._subject import is_graph_file, module_name


def export_model(
    model: str | Path | nn.Module,
    *,
    format: FormatName = DEFAULT_FORMAT,
    precision: PrecisionName = DEFAULT_PRECISION,
    size: tuple[int, int] | None = None,
    shape: tuple[int, ...] | None = None,
    name: str = "",
    scope: ScopeName = "logits",
    components: bool = False,
    checkpoint: Path | str | None = None,
    classes: int | None = None,
    seed: int = 0,
    no_rewrite: Sequence[str] = (),
    ema: bool = False,
    backbone: Path | str | None = None,
    input: str = FLOAT,
    mean: Three | None = None,
    std: Three | None = None,
    opset: int | None = None,
    calibration: Path | str | None = None,
    observer: str | None = None,
    keep: Sequence[str] = (),
    max_drop: float | None = None,
    data: Path | str | None = None,
    cpu: str | None = None,
    dynamic: Sequence[str] = (),
    out: Path | str = "artifacts",
    progress: Progress | None = None,
) -> Artifact:
    """Export a model by name, or any module, prove it, and give it its final name.

    Args:
        model: a name such as ``seaformer_t`` or ``seaformer_b.cityscapes``, an ``.onnx`` file,
            or an ``nn.Module`` that takes one image and returns tensors; it is copied, not changed.
        format: a row of ``core/engine.py``: ``onnx``, ``executorch`` or ``coreml``.
        precision: a row of ``core/precision.py``: ``fp32``, ``fp16`` or ``int8``.
        size: (height, width) of the image; the model's own when absent.
        shape: (1, C, H, W) of a module's input; of a file's where that leaves sizes free.
        name: of a module's files; its class in lower case, or the file's name, when absent.
        scope: ``logits`` (as the paper times it), or another that the model's task has:
            ``upsample`` and ``argmax`` of a segmentation, ``argmax`` of a classification,
            ``boxes`` of a detection. A module with one output of four axes is taken for a
            segmentation, with one of two for a classification.
        components: add the network's parts as methods beside ``forward``, weights shared.
        checkpoint: a file, a Hugging Face folder or an index of shards; seeded when absent.
        classes: number of classes when it is not the data set's.
        seed: of the weights without a checkpoint.
        no_rewrite: names of rewrites to leave out (``seaformer export --list-rewrites``).
        ema: take the averaged weights of the checkpoint.
        backbone: a checkpoint of the backbone alone; the rest is seeded.
        input: ``float``; ``uint8`` or ``uint8-nhwc`` for a file that takes 8-bit RGB, (1, 3, H, W)
            or (1, H, W, 3), and normalises it.
        mean, std: of a module's input, of pixels from 0 to 255; ImageNet's when absent.
        opset: of an ONNX file, 11 to 20; 17 when absent.
        calibration: of int8, a folder of images that decide ranges; the shipped photographs when
            absent.
        observer: of int8, the rule that makes ranges of values: ``minmax``, ``percentile``, ``mse``
            or ``histogram``; ``mse`` when absent.
        keep: of int8, modules that stay in float, by their paths in the network; ``auto`` among
            them searches for more.
        max_drop: of that search, the points of same class that may be lost: 1 when absent. A file
            that loses more than the number given is refused.
        data: of that search, a data set: points of mIoU or top-1 on its validation images count.
        cpu: of int8, whose kernels the file is for: ``arm64`` (when absent), ``arm64_half`` or
            ``x86_64``.
        dynamic: axes of the input that an ONNX file leaves free: ``batch``, ``height``, ``width``.
        out: the folder the file, its manifest and its reference output go to.
        progress: called with the name of each step as it begins.

    Raises ``ParityError`` when the file does not compute what the eager model computes,
    ``UnsupportedOperator`` when the format lacks an operator; then, as after any other error,
    nothing of it is left in ``out``.

        >>> artifact = export_model("seaformer_t", format="onnx", size=(64, 64))
        >>> artifact.file
        'seaformer_t.ade20k__64x64__fp32.onnx'
        >>> artifact.parity.argmax_agreement
        1.0
    """
    _check_kind(model)
    module = model if isinstance(model, nn.Module) else None
    named = str(model) if module is None and is_graph_file(str(model)) else ""
    if module is None and not named and (shape is not None or name):
        raise UsageError("shape and name are for a module; a model by name takes size=(H, W).")
    if module is not None:
        named = f"{type(model).__module__}:{type(model).__qualname__}"
    request = ExportRequest(
        model=_name_of(model, name, named),
        format=format,
        precision=precision,
        size=size,
        scope=scope,
        components=components,
        checkpoint=None if checkpoint is None else str(checkpoint),
        classes=classes,
        seed=seed,
        no_rewrite=tuple(no_rewrite),
        module=named,
        shape=_shape(shape),
        ema=ema,
        backbone=None if backbone is None else str(backbone),
        input=input,
        mean=mean,
        std=std,
        opset=opset,
        calibration=None if calibration is None else str(calibration),
        observer=observer,
        keep=tuple(keep),
        max_drop=max_drop,
        data=None if data is None else str(data),
        cpu=cpu,
        dynamic=tuple(dynamic),
    )
    return export(request, out, progress, module)


def _check_kind(model: object) -> None:
    """Refuse what is neither a name nor a module, such as a module's class or its weights."""
    if isinstance(model, (str, Path, nn.Module)):
        return
    hint = "For example: export_model(Net().eval(), shape=(1, 3, 512, 512))"
    if callable(model):
        hint = f"Call it: export_model({getattr(model, '__name__', 'it')}(), ...)"
    elif isinstance(model, Mapping):
        hint = "Load these weights into a module, or name their file: checkpoint=PATH"
    raise UsageError(
        f"model must be a name, a file or an nn.Module (got {_kind(model)}).", hint=hint
    )


def _kind(model: object) -> str:
    if isinstance(model, type):
        return f"the class {model.__name__}"
    name = type(model).__name__
    return "None" if model is None else f"{'an' if name[0] in 'AEIOaeio' else 'a'} {name}"


def _shape(shape: tuple[int, ...] | None) -> tuple[int, ...] | None:
    if isinstance(shape, (str, int)):
        raise UsageError(f"shape must be four numbers, (1, C, H, W) (got {shape!r}).")
    return None if shape is None else tuple(shape)


def _name_of(model: str | Path | nn.Module, name: str, named: str) -> str:
    if isinstance(model, nn.Module):
        return name or type(model).__name__.lower()
    return name or module_name(named) if named else str(model)
