"""Networks: one file per family, rows for its variants. What a family shares starts with ``_``.

    list_models("seaformer_t.*")                  # names, from the index: no torch needed
    model_spec("seaformer_t.cityscapes_half")     # what goes in and out, and the paper's row
    create_model("seaformer_t.ade20k", seed=0)    # the network itself, in evaluation mode

A family file has ``specs()``, ``build(spec, **fields)`` and ``official_keys(network)``; after
adding one, run ``python -m seaformer.models._zoo FAMILY``, which counts it into the index
``core/zoo.json`` (without a name, all of them).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from seaformer.core.codec import shortened
from seaformer.core.errors import ShapeError, UsageError
from seaformer.core.registry import Registry, lazy_attribute
from seaformer.core.spec import AVERAGED, CHECKPOINT, SEEDED, WITH_BACKBONE, ModelSpec
from seaformer.models._names import find_models, from_variant, index, list_models, resolve_name
from seaformer.models._tags import DETECTION, anchor_count

if TYPE_CHECKING:
    from seaformer.core.zoo import ZooEntry
    from seaformer.models._blocks import Network
    from seaformer.models._eager import network_maker as network_maker
    from seaformer.models._eager import open_eager as open_eager
    from seaformer.models._fields import RowFields

__all__ = [
    "FAMILIES",
    "check_size",
    "create_model",
    "find_models",
    "from_variant",
    "list_models",
    "model_spec",
    "network_maker",
    "open_eager",
    "resolve_name",
    "smallest_size",
    "zoo_entry",
]

FAMILIES = Registry("seaformer.models", "model family", "export")
_MOST_CLASSES = 1 << 16
_SMALLEST_SIDE = 32
MAX_SIDE = 4096


def __getattr__(name: str) -> object:
    """Sessions in PyTorch. Raises ``MissingExtra`` where torch is not installed."""
    if name not in ("network_maker", "open_eager"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return lazy_attribute(f"{__name__}._eager", name, "a model of the zoo", FAMILIES.extra)


def zoo_entry(name: str) -> ZooEntry:
    """A model as its row in the index has it: spec, parameters, MACs."""
    return index()[resolve_name(name)]


def model_spec(
    name: str, *, size: tuple[int, int] | None = None, classes: int | None = None
) -> ModelSpec:
    """The spec of a model, with another input size (height, width) or number of classes.

    A spec that is not the row's own has no row of the paper. Raises ``UnknownName``,
    ``ShapeError`` for a size the network cannot take, ``UsageError`` for a number of classes
    below 1 or above 65,536, which a map of 16 bits holds.
    """
    spec = zoo_entry(name).spec
    height, width = size or (spec.height, spec.width)
    classes = spec.classes if classes is None else classes
    whole = isinstance(classes, int) and not isinstance(classes, bool)
    if not whole or not 1 <= classes <= _MOST_CLASSES:
        seen = shortened(repr(classes))
        raise UsageError(f"A model has 1 to {_MOST_CLASSES:,} classes, not {seen}.")
    check_size(spec, height, width)
    if (height, width, classes) == (spec.height, spec.width, spec.classes):
        return spec
    return replace(
        spec,
        classes=classes,
        input_shape=(1, 3, height, width),
        output_shape=(1, classes, *_places(spec, height, width)),
        paper=None,
    )


def _places(spec: ModelSpec, height: int, width: int) -> tuple[int, ...]:
    """What follows batch and classes in the shape of the output for another size."""
    if spec.task == DETECTION:
        return (anchor_count(height, width),)
    strides = (
        inside // out
        for inside, out in zip(spec.input_shape[2:], spec.output_shape[2:], strict=False)
    )
    padded = (-(-side // spec.size_step) * spec.size_step for side in (height, width))
    return tuple(-(-side // stride) for side, stride in zip(padded, strides, strict=False))


def check_size(spec: ModelSpec, height: int, width: int) -> None:
    """Raise ``ShapeError`` unless both sides are whole numbers of pixels from 32 to 4096.

    A network computes any of them: it rounds sizes up, layer by layer, or pads the image. The
    official evaluation resizes to multiples of 32 (pascal_context's 480 is not one of 64).
    """
    if (height, width) == (spec.height, spec.width):
        return
    for side in (height, width):
        if isinstance(side, bool) or not isinstance(side, int):
            raise ShapeError(f"{spec.name} takes whole numbers of pixels, not {side!r}.")
    if min(height, width) < _SMALLEST_SIDE or max(height, width) > MAX_SIDE:
        raise ShapeError(
            f"{spec.name} takes sides of {_SMALLEST_SIDE} to {MAX_SIDE} pixels, "
            f"not {height}x{width}.",
            hint=f"The size it was made for is {spec.height}x{spec.width}.",
        )


def smallest_size(name: str) -> tuple[int, int]:
    """The smallest (height, width) at which all parts of a model have work: 64."""
    zoo_entry(name)
    return 2 * _SMALLEST_SIDE, 2 * _SMALLEST_SIDE


def create_model(
    name: str,
    checkpoint: str | Path | None = None,
    seed: int = 0,
    *,
    size: tuple[int, int] | None = None,
    classes: int | None = None,
    ema: bool = False,
    backbone_weights: str | Path | None = None,
    **fields: Unpack[RowFields],
) -> Network:
    """The network, in evaluation mode: B 3 H W for any H and W in, the head's raw logits out.

    Args:
        name: ``family_size.tag``; without a tag ``.ade20k`` is meant.
        checkpoint: a file, a Hugging Face folder or an index of shards; without one every weight
            is drawn from ``seed``.
        seed: a whole number from 0 up.
        size: (height, width), kept in ``.spec``; the network takes any.
        classes: number of classes when it is not the data set's.
        ema: take the averaged weights of the checkpoint.
        backbone_weights: a checkpoint of the backbone alone; it fills what fits, the rest is
            seeded.
        fields: of the family's row, such as ``heads=2``.

    Raises ``UnknownName``, ``UsageError`` for a field that the row lacks, ``WeightsMismatch`` for a
    checkpoint that does not fit, ``MissingExtra`` without torch. What a checkpoint was read as is
    in ``.checkpoint``.

        >>> network = create_model("seaformer_t.ade20k", classes=7)
        >>> network.spec.output_shape
        (1, 7, 64, 64)
        >>> sum(parameter.numel() for parameter in network.parameters())
        1653447
    """
    spec = model_spec(name, size=_pair(size), classes=classes)
    family = FAMILIES.load(spec.family)
    import torch

    from seaformer.models._checkpoints.loading import load_backbone, load_checkpoint
    from seaformer.models._seeding import seed_weights

    _check_weights(checkpoint, backbone_weights, ema=ema)
    with torch.device("meta"):  # nothing is drawn from torch's generator, nothing is filled twice
        network: Network = family.build(spec, **fields)
    if checkpoint is None:
        seed_weights(network, seed)
        weights = f"{SEEDED}:{seed}"
        if backbone_weights is not None:
            network.checkpoint = load_backbone(network, spec, backbone_weights)
            weights += f"{WITH_BACKBONE}{network.checkpoint.sha256}"
    else:
        network.checkpoint = load_checkpoint(network, spec, checkpoint, averaged=ema)
        weights = f"{CHECKPOINT}{network.checkpoint.sha256}" + (AVERAGED if ema else "")
    paper = None if fields else spec.paper
    network.spec = replace(spec, weights=weights, paper=paper)
    return network.eval()


def _check_weights(checkpoint: object, backbone: object, *, ema: bool) -> None:
    if checkpoint is not None and backbone is not None:
        raise UsageError(
            "--checkpoint and --backbone do not go together: a checkpoint has its backbone.",
            hint="Leave one of them out.",
        )
    if ema and checkpoint is None:
        raise UsageError("--ema requires --checkpoint: it takes the averaged weights of one.")


def _pair(size: object) -> tuple[int, int] | None:
    if size is None or (isinstance(size, tuple) and len(size) == 2):
        return size
    raise UsageError(f"A size is (height, width), not {size!r}.")
