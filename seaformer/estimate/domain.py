"""Where an estimate holds: decided from a file's operators and from the code it executed.

A scale is made of one engine's kernels and held against the latencies of others. That works for
operators that every engine computes alike. Norms over channels, GELU and SiLU are not such: each
engine has another algorithm for them, so networks that have them are outside, and never part of a
scale. So is a network with an operator that no row of the calibration has, and one with many dense
convolutions of more than 1x1 where no row has as many: Winograd's algorithm saves half and more of
such work, and the engine of the published latencies has it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from seaformer.core.artifact import Delegation

_UNSETTLED = (  # and what exporters cut them into: a norm has a root, GELU an error function
    "layernorm", "layernormalization", "groupnorm", "instancenorm", "rmsnorm", "rsqrt", "sqrt",
    "var", "gelu", "erf", "tanh", "silu", "swish", "einsum",
)  # fmt: skip
_SIGMOID, _CONVOLUTIONS = "sigmoid", ("convolution", "conv", "convolutiondepthwise", "conv2d")
_MOST_SIGMOIDS = 0.25  # for each convolution: more are SiLU, which is a sigmoid and a product
_SHAPES = (  # moves values or renames them: priced like other code, the same in every engine
    "view", "reshape", "permute", "transpose", "squeeze", "unsqueeze", "clone", "getitem", "pad",
    "split", "slice", "crop", "select", "expand", "concat", "cat", "input", "flatten", "copy",
    "constantpadnd", "identity", "dropout", "constant", "todimordercopy",
)  # fmt: skip
_SOFTMAX, _PRODUCTS = "softmax", ("bmm", "matmul", "sdpa", "scaleddotproductattention")
_MOST_UNPRICED = 1e-3
_MOST_DENSE = 0.2  # of the multiply-accumulates: three quarters less of a fifth is 15 % of the time
_MOST_RATIO = 3.0  # instructions, beyond the largest and the smallest row
_NAMED = 4


@dataclass(frozen=True)
class Subject:
    """What is decided about: ``operators`` by kind; ``unpriced`` instructions of ``words``.

    ``dense`` is the part of dense convolutions of more than 1x1 in the multiply-accumulates.
    """

    operators: Mapping[str, int]
    delegation: Delegation | None
    instructions: int
    unpriced: int = 0
    words: tuple[str, ...] = ()
    dense: float = 0.0


@dataclass(frozen=True)
class Domain:
    """What the rows of a scale have: operators by kind, how much they execute, how dense."""

    operators: frozenset[str]
    least: int
    most: int
    dense: float = 0.0


def domain_of(rows: Iterable[tuple[Iterable[str], int]], dense: float = 0.0) -> Domain:
    """The domain of rows, each its operators and its instructions; there is at least one.

    ``dense`` is that of the densest.
    """
    pairs = tuple(rows)
    counts = [count for _, count in pairs]
    kinds = frozenset(kind for operators, _ in pairs for kind in operators)
    return Domain(kinds, min(counts), max(counts), dense)


def reasons(subject: Subject, domain: Domain) -> tuple[str, ...]:
    """Why a network is outside; none where it is inside."""
    return tuple(_reasons(subject, domain))


def attends(operators: Iterable[str]) -> bool:
    """Whether a network has attention: a softmax, and a product of two computed matrices.

    A softmax alone is that of a classifier.
    """
    plain = {_plain(kind) for kind in operators}
    return _SOFTMAX in plain and not plain.isdisjoint(_PRODUCTS)


def is_dense(dense: float) -> bool:
    """Whether so large a part of dense convolutions decides what a network takes."""
    return dense > _MOST_DENSE


def unsettled(operators: Mapping[str, int]) -> dict[str, int]:
    """The operators that every engine computes in another way."""
    unlike = {kind: count for kind, count in operators.items() if _plain(kind) in _UNSETTLED}
    convolutions = sum(n for kind, n in operators.items() if _plain(kind) in _CONVOLUTIONS)
    for kind, count in operators.items():
        if _plain(kind) == _SIGMOID and count > _MOST_SIGMOIDS * convolutions:
            unlike[kind] = count
    return unlike


def _reasons(subject: Subject, domain: Domain) -> Iterator[str]:
    outside = subject.delegation.outside if subject.delegation else ()
    computing = {each.op: each.count for each in outside if each.computes}
    if subject.delegation and computing:
        yield f"not delegated to {subject.delegation.backend}: {_listed(computing)}"
    own = unsettled(subject.operators)
    if own:
        yield f"computed in another way by every engine: {_listed(own)}"
    kinds = subject.operators.items()
    new = {kind: count for kind, count in kinds if _is_new(kind, domain) and kind not in own}
    if new:
        yield f"in no row of the calibration: {_listed(new)}"
    if is_dense(subject.dense) and subject.dense > domain.dense:
        part = f"{100 * subject.dense:.0f} % of the multiply-accumulates"
        yield f"dense convolutions of more than 1x1 ({part}): engines compute them in several ways"
    if not subject.operators:
        yield "the operators of this file are unknown"
    if subject.unpriced > _MOST_UNPRICED * subject.instructions:
        share = 100 * subject.unpriced / subject.instructions
        yield f"{share:.1f} % of the instructions have no price: code {_words(subject.words)}"
    yield from _size(subject.instructions, domain)


def _size(instructions: int, domain: Domain) -> Iterator[str]:
    rows = f"the calibration's rows have {_millions(domain.least)} to {_millions(domain.most)}"
    if instructions > _MOST_RATIO * domain.most or _MOST_RATIO * instructions < domain.least:
        yield f"{_millions(instructions)} instructions; {rows}"


def _is_new(kind: str, domain: Domain) -> bool:
    return kind not in domain.operators and _plain(kind) not in _SHAPES


def _plain(kind: str) -> str:
    """``aten.native_layer_norm`` and ``LayerNorm`` are both ``layernorm``."""
    name = kind.rpartition("::")[2].removeprefix("aten.").partition(".")[0]
    plain = name.replace("_", "").lower().removeprefix("native")
    return plain.removesuffix("copy") or plain


def _listed(operators: Mapping[str, int]) -> str:
    ordered = sorted(operators.items(), key=lambda pair: (-pair[1], pair[0]))
    shown = ", ".join(f"{kind} ({count})" for kind, count in ordered[:_NAMED])
    more = len(ordered) - _NAMED
    return f"{shown} and {more} more" if more > 0 else shown


def _words(words: Sequence[str]) -> str:
    return ", ".join(dict.fromkeys(code.split()[0] for code in words)) or "unknown words"


def _millions(count: int) -> str:
    return f"{count / 1e6:.0f} M" if count >= 10_000_000 else f"{count / 1e6:.2f} M"
