"""``Network``: an opened model, what an image becomes before it, and what its outputs are.

From an artifact with its manifest, from a file of anybody (``from_file``), or from a session that
the caller opened (``from_session``: a model of the zoo in PyTorch). Runs on this machine's CPU.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from seaformer.agreement.images import network_tensor
from seaformer.core.artifact import FORWARD, Artifact, load_artifact, manifest_path, model_path
from seaformer.core.errors import CorruptArtifact, UsageError
from seaformer.core.files import expanded
from seaformer.core.free import check_sizes, fixed_size
from seaformer.core.model_file import ModelFile, TensorDescription
from seaformer.core.precision import BASE
from seaformer.core.preprocessing import FLOAT, RAW, RAW_NHWC, Labels, Preprocessing
from seaformer.core.registry import unknown
from seaformer.core.request import OTHER_TASK
from seaformer.core.spec import ModelSpec
from seaformer.data.labels import DATASETS, dataset_labels, labels_of
from seaformer.data.layouts import reduces_zero
from seaformer.data.preprocessing import IMAGENET, preprocessing_of
from seaformer.runtime import RUNTIMES, Session, describe_file, load_session

Array = npt.NDArray[Any]
Pixels = npt.NDArray[np.uint8]
Size = tuple[int, int]
Heat = Callable[[], Array | None]
_COLOURS = 3
_LONGEST_LABEL = 200
_LARGEST_SIDE = 16384


@dataclass(frozen=True)
class NetworkOptions:
    """What a user may state; a manifest states the rest, and a file without one nothing.

    ``size`` is (height, width) of an input that leaves them free. ``dataset`` names the classes,
    ``mean`` and ``std`` are of pixels from 0 to 255. Raises ``UsageError`` for impossible values.
    """

    size: Size | None = None
    dataset: str = ""
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None

    def __post_init__(self) -> None:
        if self.size is not None and not all(1 <= side <= _LARGEST_SIDE for side in self.size):
            height, width = self.size
            raise UsageError(
                f"--size must have sides from 1 to {_LARGEST_SIDE} (got {height}x{width})."
            )
        for name, values in (("mean", self.mean), ("std", self.std)):
            if values is not None and not all(map(math.isfinite, values)):
                raise UsageError(f"--{name} must be finite numbers (got {values}).")
        if self.std is not None and 0 in self.std:
            raise UsageError(f"--std must be numbers other than 0 (got {self.std}).")


@dataclass(frozen=True)
class Network:
    """What predicts.

    ``size`` is (height, width) of its input, ``task`` empty where it is unknown; ``scope`` is what
    the graph ends with. ``channels_last`` holds for its input and its map. ``reduces_zero``: label
    0 of a mask of its data set is none of its classes. ``heat`` gives the attention of the last
    run, where that can be seen.
    """

    title: str
    session: Session
    size: Size
    preprocessing: Preprocessing
    labels: Labels | None = None
    task: str = ""
    scope: str = ""
    channels_last: bool = False
    reduces_zero: bool = False
    heat: Heat | None = None

    def tensor(self, image: Pixels) -> Array:
        """An image (H, W, 3) of any size as the input: resized bilinearly, and normalised."""
        height, width = self.size
        if image.shape[:2] != self.size:
            resized = Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR)
            image = np.asarray(resized)
        value = network_tensor(image, self.preprocessing)
        if self.preprocessing.raw or not self.channels_last:
            return value
        return np.ascontiguousarray(value.transpose(0, 2, 3, 1))

    def run(self, tensor: Array) -> list[Array]:
        """The outputs."""
        return list(self.session.run([tensor]))


def open_network(
    path: Path | str | Artifact,
    options: NetworkOptions = NetworkOptions(),
    session: Session | None = None,
) -> Network:
    """An exported file with its manifest, or any other that an engine runs.

    ``session`` runs it, else this machine does.

    Raises ``ArtifactError`` for a file that cannot be run, ``MissingExtra`` without its engine,
    ``UsageError`` for what it does not take.
    """
    file = located(path)
    if isinstance(file, Artifact):
        return _from_artifact(file, options, session)
    return from_file(file.resolve(), options, session)


def located(path: Path | str | Artifact) -> Artifact | Path:
    """The artifact that a path names, by its file or its manifest; a file without one as it is.

    Raises ``ArtifactError`` for a path at which there is neither.
    """
    if isinstance(path, Artifact):
        return path
    path = expanded(path)
    bare = model_path(path)
    if manifest_path(bare).exists() or not bare.exists():
        return load_artifact(bare)
    return bare


class ModelSession(Session, Protocol):
    """A session of a model of the zoo that is opened elsewhere, as in PyTorch."""

    @property
    def spec(self) -> ModelSpec: ...

    @property
    def scope(self) -> str:
        """What its outputs are: ``logits`` or ``boxes``."""
        ...

    def heat(self) -> Array | None:
        """(h, w): where the attention of the last run looked, or ``None``."""
        ...


def from_session(session: ModelSession, options: NetworkOptions = NetworkOptions()) -> Network:
    """A model of the zoo whose session the caller opened."""
    spec = session.spec
    return Network(
        title=spec.name,
        session=session,
        size=(spec.height, spec.width),
        preprocessing=_stated(preprocessing_of(spec), options, spec.name),
        labels=_labels(options, labels_of(spec)),
        task=spec.task,
        scope=session.scope,
        reduces_zero=reduces_zero(options.dataset or spec.dataset),
        heat=session.heat,
    )


def _from_artifact(
    artifact: Artifact, options: NetworkOptions, session: Session | None = None
) -> Network:
    spec = artifact.spec
    own = (spec.height, spec.width)
    if len(spec.input_shape) != 4 or spec.input_shape[1] != _COLOURS:
        raise UsageError(
            f"{artifact.file} must take an image in colour (got an input of "
            f"{'x'.join(map(str, spec.input_shape))})."
        )
    size = options.size or own
    check_sizes(artifact.file, artifact.free_axes, spec.input_shape, (*spec.input_shape[:2], *size))
    preprocessing = _stated(artifact.preprocessing or IMAGENET, options, artifact.file)
    return Network(
        title=artifact.file,
        session=Cast(session or load_session(artifact), artifact.method(FORWARD).inputs[0].dtype),
        size=size,
        preprocessing=preprocessing,
        labels=_labels(options, artifact.labels),
        task="" if spec.task == OTHER_TASK else spec.task,
        scope=artifact.scope,
        reduces_zero=reduces_zero(options.dataset or spec.dataset),
    )


def from_file(
    path: Path, options: NetworkOptions = NetworkOptions(), session: Session | None = None
) -> Network:
    """A file without a manifest; what its metadata states is taken from there."""
    model = describe_file(path)
    tensor = _image_input(model)
    nhwc = tensor.shape[1] != _COLOURS
    size = _size(tensor, model, options.size, nhwc=nhwc)
    preprocessing = _stated(_from_metadata(model.metadata, IMAGENET), options, model.file)
    if tensor.dtype == "uint8":
        preprocessing = replace(preprocessing, input=RAW_NHWC if nhwc else RAW)
    elif preprocessing.raw:
        preprocessing = replace(preprocessing, input=FLOAT)
    opened = session or RUNTIMES.load(model.engine).open_session(path)
    return Network(
        title=model.file,
        session=Cast(opened, tensor.dtype),
        size=size,
        preprocessing=preprocessing,
        labels=_labels(options, _classes_of(model.metadata)),
        channels_last=nhwc,
        reduces_zero=reduces_zero(options.dataset),
    )


class Cast:
    """A session of a file, whose input is cast to the type that it takes."""

    def __init__(self, session: Any, dtype: str) -> None:
        self._session = session
        self._dtype = BASE.dtype if dtype == "bfloat16" else dtype

    def run(self, arrays: Sequence[Array], method: str = "forward") -> list[Array]:
        """Run the graph on arrays of any size that it accepts."""
        cast = [np.ascontiguousarray(array, dtype=self._dtype) for array in arrays]
        run = getattr(self._session, "run_as_is", self._session.run)
        outputs: list[Array] = run(cast)
        return outputs


def _image_input(model: ModelFile) -> TensorDescription:
    if len(model.inputs) != 1:
        raise UsageError(f"{model.file} must have one input (got {len(model.inputs)}).")
    tensor = model.inputs[0]
    colours = len(tensor.shape) == 4 and _COLOURS in (tensor.shape[1], tensor.shape[3])
    single = len(tensor.shape) == 4 and (tensor.shape[0] == 1 or isinstance(tensor.shape[0], str))
    if not (colours and single and tensor.dtype.startswith(("float", "bfloat", "uint8"))):
        raise UsageError(
            f"{model.file} must take one image in colour, 1x3xHxW or 1xHxWx3 (got {tensor})."
        )
    return tensor


def _size(tensor: TensorDescription, model: ModelFile, asked: Size | None, *, nhwc: bool) -> Size:
    sides = tensor.shape[1:3] if nhwc else tensor.shape[2:]
    fixed = [side for side in sides if isinstance(side, int)]
    if asked is None and len(fixed) < 2:
        raise UsageError(f"{model.file} leaves the size of its input free.", hint="--size HxW")
    height, width = asked or (int(fixed[0]), int(fixed[1]))
    for side, own in zip((height, width), sides, strict=True):
        fits = own == side or (tensor.bounded and isinstance(own, int) and side < own)
        if isinstance(own, int) and not fits:
            raise fixed_size(model.file, sides, (height, width))
    return height, width


def _stated(own: Preprocessing, options: NetworkOptions, file: str) -> Preprocessing:
    """With the user's mean and deviation, which a file that normalises inside does not take."""
    if options.mean is None and options.std is None:
        return own
    if own.raw:
        raise UsageError(f"--mean and --std are not for {file}, which normalises inside.")
    return replace(own, mean=options.mean or own.mean, std=options.std or own.std)


def _labels(options: NetworkOptions, own: Labels | None) -> Labels | None:
    if not options.dataset:
        return own
    labels = dataset_labels(options.dataset)
    if labels is None:
        raise unknown("data set", options.dataset, (*DATASETS, "pascal_context_59"))
    return labels


def _from_metadata(metadata: Mapping[str, str], default: Preprocessing) -> Preprocessing:
    """What ``core/preprocessing.metadata_of`` wrote, where the file has all of it."""
    with suppress(ValueError, TypeError, KeyError):
        mean, std = (_three(metadata[name]) for name in ("mean", "std"))
        channels = metadata["channels"]
        if channels in ("RGB", "BGR") and 0 not in std:
            return Preprocessing(mean, std, channels)
    return default


def _three(text: str) -> tuple[float, float, float]:
    first, second, third = (float(value) for value in json.loads(text))
    if not all(map(math.isfinite, (first, second, third))):
        raise ValueError(text)
    return first, second, third


def _classes_of(metadata: Mapping[str, str]) -> Labels | None:
    """Names and colours as ``metadata_of`` wrote them; of another form they are not used."""
    try:
        names = json.loads(metadata.get("classes", ""))
        palette = json.loads(metadata.get("palette", "[]"))
    except ValueError:
        return None
    if not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
        return None
    coloured = isinstance(palette, list) and len(palette) == len(names)
    colours = tuple(map(str, palette)) if coloured else ()
    return Labels(tuple(name[:_LONGEST_LABEL] for name in names), colours)


def check_labels(network: Network, classes: int) -> None:
    """Raise where there are names for another number of classes than the output has."""
    if network.labels is not None and len(network.labels.names) != classes:
        raise CorruptArtifact(
            f"{network.title} has an output of {classes} classes and names for "
            f"{len(network.labels.names)}.",
            hint="Name the data set of its classes: --dataset NAME",
        )
