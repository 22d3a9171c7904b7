"""Finding a model by what was typed: a full name, a bare one, a glob, or ``--variant``.

Answered from the index, without torch. An unknown name is answered with the nearest one.
"""

from __future__ import annotations

import difflib
import fnmatch
import re
from typing import TYPE_CHECKING

from seaformer.core.errors import UnknownName
from seaformer.core.zoo import ZooEntry, entries

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_TAG = "ade20k"
_SIZES = {"tiny": "t", "small": "s", "base": "b", "large": "l"}
_FAMILIES_NAMED = 8
WORDS = {  # what other tools and papers call it: the models that are meant here
    "retinanet": "*.coco",
    "detect": "*.coco",
    "detr": "*.coco",
    "deeplab": "*deeplab*",
    "lraspp": "mobilenet*r*.ade20k",
    "distil": "*_kd.*",
    "student": "*_kd.*",
}
# A width of 1 spelled as the other widths are, and a network of one size without it.
_OTHER_NAMES = {
    "lvt": "lvt_cls",
    "mobilenetv2_x100": "mobilenetv2_100",
    "mobilenetv3_l_x100": "mobilenetv3_l",
    "mobilenetv3_s_x100": "mobilenetv3_s",
}


def index() -> Mapping[str, ZooEntry]:
    """Every model by its full name, in the order of the families' rows."""
    return entries()


def list_models(glob: str = "*") -> list[str]:
    """Names of the models that match, in the order of their families' rows.

    >>> list_models("seaformer_?.ade20k")
    ['seaformer_t.ade20k', 'seaformer_s.ade20k', 'seaformer_b.ade20k', 'seaformer_l.ade20k']
    """
    pattern = spelled(glob)
    return [name for name in index() if fnmatch.fnmatchcase(name, pattern)]


def find_models(text: str) -> list[str]:
    """The models that a glob matches, or the one that a name means.

    Raises ``UnknownName`` with the nearest there is when that is none.
    """
    names = list_models(text) if _is_glob(text) else [resolve_name(text)]
    if not names:
        raise _unknown(text)
    return names


def resolve_name(name: str) -> str:
    """The full name: ``seaformer_t`` means ``seaformer_t.ade20k``, or the only tag there is.

    Raises ``UnknownName`` with the nearest known name.
    """
    base = spelled(name)
    full = base if "." in base else f"{base}.{DEFAULT_TAG}"
    tags = [known for known in index() if known.startswith(f"{base}.")]
    if full not in index() and len(tags) == 1:
        return tags[0]
    if full not in index():
        raise _unknown(name)
    return full


def spelled(text: str) -> str:
    """A name or glob as it is spelled here.

    ``t`` and ``SeaFormer-T`` are ``seaformer_t``; ``t++``, ``seaformer_t++`` and ``SeaFormer++_T``
    are ``seaformerpp_t``; ``t++kd`` is ``seaformerpp_t_kd``; ``seaformer*++*`` is every
    SeaFormer++. ``mobilenetv2_x100`` is ``mobilenetv2_100``, and
    ``lvt`` is ``lvt_cls``.
    """
    text = re.sub(r"\s", "", text.lower())
    base, dot, tag = text.partition(".")
    base = base if "[" in base else base.replace("-", "_")
    bare, plus, student = base.partition("++")
    if bare in _SIZES or bare in _SIZES.values():
        bare = f"seaformer_{_SIZES.get(bare, bare)}"
    if plus and bare.startswith(("seaformer", "*")):
        bare = "seaformerpp" + bare.removeprefix("seaformer")
        base = bare + re.sub(r"^_?\(?kd\)?", "_kd", student)
    elif not plus:
        base = bare
    return f"{_OTHER_NAMES.get(base, base)}{dot}{tag}"


def from_variant(variant: str, tag: str = DEFAULT_TAG) -> str:
    """The model that ``--variant`` means: t (or T, tiny) is SeaFormer-T, t++ and t++kd are its
    SeaFormer++ forms.

    Raises ``UnknownName`` for an unknown variant or tag.
    """
    size, plus, distilled = variant.strip().lower().partition("++")
    distilled = distilled.strip("()_ -")
    size = _SIZES.get(size, size)
    if size not in _SIZES.values() or distilled not in ("", "kd"):
        known = ", ".join(f"{short} ({long})" for long, short in _SIZES.items())
        raise UnknownName(
            f"Unknown variant {variant!r}. Known: {known}; with ++ or ++kd behind it (t++, "
            "t++kd) the same of SeaFormer++ and its distilled students.",
            hint="Choose one of them, such as --variant t, or a full name with --model.",
        )
    family = "seaformer" + ("pp" if plus else "")
    name = f"{family}_{size}" + ("_kd" if distilled else "")
    return resolve_name(f"{name}.{tag}")


def _is_glob(text: str) -> bool:
    return any(sign in text for sign in "*?[")


def _unknown(text: str) -> UnknownName:
    message = f"{'No model matches' if _is_glob(text) else 'Unknown model'} {text!r}."
    base, _, tag = re.sub(r"[*?\[\]!+()]", "", spelled(text)).partition(".")
    if near := _nearest(base, tag):
        hint = f"Did you mean {'one of ' * (len(near) > 1)}{', '.join(near)}?"
        return UnknownName(message, hint=hint)
    glob = f" '{base}*'" if base and _begins(base) else ""
    return UnknownName(message, hint=f"List them: seaformer models{glob} ({_families()})")


def _nearest(base: str, tag: str) -> list[str]:
    """Names of that base, of what a known word means, or of the base spelled most like it.

    None for the beginning of several names: no one of them is nearer than the others.
    """
    if base not in _bases():
        letters = re.sub(r"[^a-z0-9]", "", base)
        if word := next((word for word in WORDS if word in letters), ""):
            return list_models(WORDS[word])
        if _begins(base):
            return []
        near = difflib.get_close_matches(base, _bases(), n=1)
        return _tagged(near[0], tag) if near else []
    return _tagged(base, tag)


def _tagged(base: str, tag: str) -> list[str]:
    """The base with that tag or with those most like it; with all of its tags where none is."""
    names = {name.partition(".")[2]: name for name in list_models(f"{base}.*")}
    tag = tag or DEFAULT_TAG
    if tag in names:
        return [names[tag]]
    near = [known for known in names if known.startswith(tag)]
    near = near or difflib.get_close_matches(tag, names, n=1)
    return [names[known] for known in near or names]


def _bases() -> list[str]:
    return list(dict.fromkeys(name.partition(".")[0] for name in index()))


def _begins(text: str) -> bool:
    return any(base.startswith(text) for base in _bases())


def _families() -> str:
    """``seaformer, seaformerpp, ...``: as many as a person reads, and how many more there are."""
    names = list(dict.fromkeys(base.partition("_")[0] for base in _bases()))
    more = len(names) - _FAMILIES_NAMED
    return ", ".join(names[:_FAMILIES_NAMED]) + (f" and {more} more" if more > 0 else "")
