"""What a file without a manifest is fed: sizes for what it leaves free, and arrays of them.

An image input gets the photograph, any other seeded numbers; the user's ``.npy`` goes before both.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from seaformer.agreement import images
from seaformer.bench import arrays
from seaformer.core.errors import UsageError
from seaformer.core.files import expanded
from seaformer.core.free import fixed_size
from seaformer.core.manifest import LARGEST_TENSOR
from seaformer.core.model_file import ModelFile, TensorDescription
from seaformer.core.plural import counted
from seaformer.core.registry import unknown

if TYPE_CHECKING:
    from seaformer.bench.foreign import FileOptions

Array = npt.NDArray[Any]
PHOTOGRAPH = "china"
_INTEGERS_BELOW = 10
_FLOATS = ("float16", "bfloat16", "float32", "float64")


@dataclass(frozen=True)
class Input:
    """One input with what it is fed; ``source`` names that."""

    tensor: TensorDescription
    array: Array
    source: str


def choose_inputs(model: ModelFile, options: FileOptions) -> tuple[Input, ...]:
    """An array for each input. Raises ``UsageError`` for what the file does not take."""
    names = [tensor.name for tensor in model.inputs]
    given = dict(by_name(options.inputs, names, "input", model.file))
    _check_names(model, options)
    rng = np.random.default_rng(options.seed)
    chosen = []
    for tensor in model.inputs:
        if tensor.name in given:
            array = load_array(given[tensor.name], None, f"input {tensor.name!r} of {model.file}")
            _check_array(tensor, array, given[tensor.name], model.file)
            source = given[tensor.name].name
            chosen.append(Input(tensor, array.astype(_numpy(tensor, model.file)), source))
        else:
            shape = _sizes(tensor, model, options)
            chosen.append(_made(tensor, shape, rng, options.seed, model.file))
    return tuple(chosen)


def image_shape(one: Input) -> tuple[int, ...] | None:
    """(N, 3, H, W) of an image input, whatever its layout; ``None`` where it is not an image."""
    shape = one.array.shape
    layout = _layout(one.tensor.dtype, shape)
    if not layout:
        return None
    return shape if layout == "NCHW" else (shape[0], shape[3], shape[1], shape[2])


def load_array(path: Path, shape: tuple[int, ...] | None, what: str) -> Array:
    """The array of a ``.npy`` file, of that shape where one is stated."""
    path = expanded(path)
    try:
        array = arrays.load_array(path)
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        raise UsageError(
            f"{path} cannot be read as an .npy array for the {what}: {reason}."
        ) from error
    if shape is not None and array.shape != shape:
        raise UsageError(f"{path} must have the shape {shape} of the {what} (got {array.shape}).")
    return array


def by_name(
    pairs: Sequence[tuple[str, Path]], names: Sequence[str], noun: str, file: str
) -> list[tuple[str, Path]]:
    """Files by the names of tensors; those without a name are taken in order."""
    for name, _ in pairs:
        if name and name not in names:
            raise unknown(f"{noun} of {file}", name, names)
    taken = {name for name, _ in pairs if name}
    unnamed = iter([name for name in names if name not in taken])
    named = []
    for name, path in pairs:
        tensor = name or next(unnamed, "")
        if not tensor:
            raise UsageError(
                f"{file} has {counted(len(names), noun)}, "
                f"{counted(len(pairs), 'file is', 'files are')} given."
            )
        named.append((tensor, path))
    return named


def _check_names(model: ModelFile, options: FileOptions) -> None:
    known = [tensor.name for tensor in model.inputs]
    known += [size for tensor in model.inputs for size in tensor.free if size != "?"]
    for name, _ in options.shapes:
        if name not in known:
            raise unknown(f"input or free dimension of {model.file}", name, set(known))


def _check_array(tensor: TensorDescription, array: Array, path: Path, file: str) -> None:
    if not _accepts(tensor, array.shape):
        raise UsageError(
            f"{path} must have the shape of {tensor} of {file} (got {_text(array.shape)})."
        )
    floating = np.issubdtype(array.dtype, np.floating)
    if floating != (tensor.dtype in _FLOATS) or array.dtype.kind not in "fiub":
        raise UsageError(f"{path} must be {tensor.dtype}, as {tensor.name} is (got {array.dtype}).")


def _sizes(tensor: TensorDescription, model: ModelFile, options: FileOptions) -> tuple[int, ...]:
    """The sizes of an input: ``--shape`` goes before ``--size``, a free batch is one."""
    stated = dict(options.shapes)
    if tensor.name in stated and (len(stated[tensor.name]) > 1 or len(tensor.shape) == 1):
        shape: tuple[int | str, ...] = stated[tensor.name]
        if not _accepts(tensor, stated[tensor.name]):
            raise UsageError(f"--shape must fit {tensor} of {model.file} (got {_text(shape)}).")
    else:
        shape = tuple(_one(stated, size) for size in tensor.shape)
        shape = _with_size(tensor, shape, model, options.size)
        shape = (1, *shape[1:]) if shape and isinstance(shape[0], str) else shape
    free = [size for size in shape if isinstance(size, str)]
    if free:
        raise UsageError(
            f"{model.file}: the input {tensor.name!r} ({_text(tensor.shape)}) leaves sizes free.",
            hint=f"State them: {_advice(tensor, shape)}",
        )
    sizes = tuple(int(size) for size in shape)
    if math.prod(sizes) > LARGEST_TENSOR:
        raise UsageError(f"The input {tensor.name!r} must have at most {LARGEST_TENSOR:,} values.")
    return sizes


def _one(stated: dict[str, tuple[int, ...]], size: int | str) -> int | str:
    """The number stated for a free dimension, else the dimension as it is."""
    if not isinstance(size, str) or size not in stated:
        return size
    if len(stated[size]) != 1:
        raise UsageError(f"--shape {size} must be one number (got {_text(stated[size])}).")
    return stated[size][0]


def _with_size(
    tensor: TensorDescription,
    shape: tuple[int | str, ...],
    model: ModelFile,
    size: tuple[int, int] | None,
) -> tuple[int | str, ...]:
    """``--size`` as height and width of an image; another one than the file's is refused."""
    layout = _layout(tensor.dtype, shape)
    if size is None or not layout:
        return shape
    at = 2 if layout == "NCHW" else 1
    resized = (*shape[:at], *size, *shape[at + 2 :])
    if not _accepts(tensor, resized):
        raise fixed_size(model.file, shape[at : at + 2], size)
    return resized


def _layout(dtype: str, shape: Sequence[int | str]) -> str:
    """``NCHW`` or ``NHWC`` of an image in colour; empty where it is not one."""
    if len(shape) != 4 or dtype not in (*_FLOATS, "uint8"):
        return ""
    return "NCHW" if shape[1] == 3 else "NHWC" if shape[3] == 3 else ""


def _accepts(tensor: TensorDescription, shape: Sequence[int | str]) -> bool:
    def fits(own: int | str, new: int | str) -> bool:
        if isinstance(own, str) or own == new:
            return True
        return tensor.bounded and isinstance(new, int) and new < own

    same = len(shape) == len(tensor.shape)
    return same and all(fits(own, new) for own, new in zip(tensor.shape, shape, strict=True))


def _advice(tensor: TensorDescription, shape: Sequence[int | str]) -> str:
    free = [size for size in shape if isinstance(size, str)]
    if _layout(tensor.dtype, shape) and len(free) == 2:
        return "--size HxW"
    if "?" in free:
        return f"--shape {tensor.name}={'x'.join(map(str, shape)).replace('?', 'N')}"
    return " ".join(f"--shape {size}=N" for size in dict.fromkeys(free))


def _made(
    tensor: TensorDescription,
    shape: tuple[int, ...],
    rng: np.random.Generator,
    seed: int,
    file: str,
) -> Input:
    dtype, layout = _numpy(tensor, file), _layout(tensor.dtype, shape)
    if layout:
        return Input(tensor, _photograph(dtype, shape, layout), f"{PHOTOGRAPH}.jpg")
    if tensor.dtype in _FLOATS:
        array = rng.standard_normal(shape).astype(dtype)
    elif tensor.dtype == "bool":
        array = rng.integers(0, 2, shape).astype(dtype)
    else:
        below = min(tensor.limit or _INTEGERS_BELOW, _INTEGERS_BELOW)
        array = rng.integers(0, below, shape).astype(dtype)
    return Input(tensor, array, f"seed {seed}")


def _photograph(dtype: np.dtype[Any], shape: tuple[int, ...], layout: str) -> Array:
    """The photograph once for each image of the batch; raw 8-bit RGB where integers are taken."""
    height, width = shape[2:] if layout == "NCHW" else shape[1:3]
    image: Array = images.photograph(PHOTOGRAPH, height, width)
    if dtype.kind == "u":
        mean, std = images.MEAN[:, None, None], images.STD[:, None, None]
        image = np.rint(image * std + mean)
    image = image if layout == "NCHW" else image.transpose(0, 2, 3, 1)
    return np.ascontiguousarray(np.repeat(image, shape[0], axis=0).astype(dtype))


def _numpy(tensor: TensorDescription, file: str) -> np.dtype[Any]:
    """Raises ``UsageError`` for a type that numpy lacks; bfloat16 is held as float32."""
    if tensor.dtype == "bfloat16":
        return np.dtype("float32")
    try:
        return np.dtype(tensor.dtype)
    except TypeError as error:
        raise UsageError(
            f"{file}: the input {tensor.name!r} is {tensor.dtype}, which cannot be fed."
        ) from error


def _text(shape: Sequence[int | str]) -> str:
    return "x".join(map(str, shape)) or "scalar"
