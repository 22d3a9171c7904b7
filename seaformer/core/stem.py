"""What the file of an export is called, without its suffix."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

from seaformer.core.preprocessing import FLOAT
from seaformer.core.spec import AVERAGED, CHECKPOINT, SEEDED, WITH_BACKBONE, ModelSpec

_LONGEST_TAIL = 60  # of the rules in a file's name
_DIGITS = 8  # of a digest in a file's name
_SIZE = re.compile(r"\d+x\d+")
_OF_NO_TIME = re.compile(r"components|w[0-9a-f]{8}(-ema)?|seed\d+|backbone-[0-9a-f]{8}")


def stem(
    spec: ModelSpec,
    precision: str,
    scope: str,
    components: bool = False,
    no_rewrite: Sequence[str] = (),
    *,
    default: ModelSpec | None = None,
    input: str = FLOAT,
    opset: int | None = None,
    calibration: str = "",
    observer: str = "",
    keep: Sequence[str] = (),
    max_drop: float | None = None,
    data: str = "",
    cpu: str = "",
    dynamic: Sequence[str] = (),
) -> str:
    """``model__HxW__precision``, then what is not the default.

    That is the number of classes and the weights where they are not those of ``default``, what
    goes in, the scope, the parts, the opset asked for, the calibration images (a digest) and the
    observer asked for, the modules kept in float, the loss allowed and the data it is counted on,
    the CPU asked for, the axes left free, and what was not rewritten.
    """
    tail = ""
    if default is not None:
        tail += "" if spec.classes == default.classes else f"__{spec.classes}classes"
        tail += _weights_tail(spec.weights)
    tail += "" if input == FLOAT else f"__{input}"
    tail += "" if scope == "logits" else f"__{scope}"
    tail += "__components" if components else ""
    tail += f"__opset{opset}" if opset else ""
    tail += f"__calibration-{calibration[:_DIGITS]}" if calibration else ""
    tail += f"__{observer}" if observer else ""
    tail += f"__keep-{_joined(keep)}" if keep else ""
    tail += "" if max_drop is None else f"__drop-{max_drop:g}"
    tail += f"__on-{data}" if data else ""
    tail += f"__for-{cpu}" if cpu else ""
    tail += f"__dynamic-{'+'.join(dynamic)}" if dynamic else ""
    tail += f"__no-{_joined(no_rewrite)}" if no_rewrite else ""
    return f"{spec.name}__{spec.height}x{spec.width}__{precision}{tail}"


def variant(file: str, model: str, precision: str, scope: str) -> str:
    """What distinguishes a file from others of its model, precision and scope: ``percentile``.

    The part of its name that ``stem`` adds for it; empty for a default and for a file that was not
    named here. Weights and methods for components leave a network's latency as it is.
    """
    name, _, _ = file.rpartition(".")
    if not name.startswith(f"{model}__"):
        return ""
    size, *parts = name.removeprefix(f"{model}__").split("__")
    if parts[:1] != [precision] or not _SIZE.fullmatch(size):
        return ""
    named = (part for part in parts[1:] if part != scope)
    return " ".join(part for part in named if not _OF_NO_TIME.fullmatch(part))


def _joined(names: Sequence[str]) -> str:
    """The names, or a digest where they are too long."""
    text = "+".join(names)
    return text if len(text) <= _LONGEST_TAIL else hashlib.sha256(text.encode()).hexdigest()[:8]


def _weights_tail(weights: str) -> str:
    """``__w1a2b3c4d`` of a checkpoint's digest, ``__seed3`` of seeded weights; none for seed 0."""
    seeded, _, backbone = weights.partition(WITH_BACKBONE)
    if seeded.startswith(CHECKPOINT):
        digest = seeded.removeprefix(CHECKPOINT)[:_DIGITS]
        return f"__w{digest}{'-ema' if seeded.endswith(AVERAGED) else ''}"
    seed = seeded.removeprefix(f"{SEEDED}:")
    tail = "" if seed == "0" else f"__seed{seed}"
    return f"{tail}__backbone-{backbone[:_DIGITS]}" if backbone else tail
