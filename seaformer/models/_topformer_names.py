"""What official TopFormer checkpoints call the parts of ``topformer.py``, prefix by prefix."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

_LAYER = {
    "attention.to_q": "attn.to_q",
    "attention.to_k": "attn.to_k",
    "attention.to_v": "attn.to_v",
    "attention.project": "attn.proj.1",
    "mlp.fc1": "mlp.fc1",
    "mlp.depthwise": "mlp.dwconv",
    "mlp.fc2": "mlp.fc2",
}
_INJECTION = {
    "local_embedding": "local_embedding",
    "global_embedding": "global_embedding",
    "global_gate": "global_act",
}
_FUSION = {"local_embedding": "local_embedding", "global_gate": "global_act"}


def backbone_prefixes(keys: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Prefixes of our state-dict ``keys`` and the official ones, without their ``backbone.``."""
    keys = tuple(keys)
    yield "pyramid.stem", "tpm.stem.0"
    blocks = [block for scale in _below("pyramid.scales", keys) for block in _below(scale, keys)]
    for number, block in enumerate(blocks, start=1):
        for j, part in enumerate(_below(block, keys)):  # [expand,] depthwise, project
            yield part, f"tpm.layer{number}.conv.{2 * j}"
    for i, layer in enumerate(_below("context.layers", keys)):
        yield from _renamed(layer, f"trans.transformer_blocks.{i}", _LAYER)


def other_prefixes(keys: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The same for what is behind the backbone."""
    keys = tuple(keys)
    for i, block in enumerate(_below("injection.blocks", keys)):
        # SIM.0 is empty: nothing goes into 1/4
        yield from _renamed(block, f"backbone.SIM.{i + 1}", _INJECTION)
    for i, block in enumerate(_below("head.fusion", keys)):  # the light head's
        yield from _renamed(block, f"decode_head.fuse{i + 1}", _FUSION)
    yield "head.fuse", "decode_head.linear_fuse"
    yield "head.classify", "decode_head.conv_seg"


def _below(prefix: str, keys: Iterable[str]) -> list[str]:
    """Every ``prefix.name`` that keys begin with, once each, in the keys' order."""
    depth = prefix.count(".") + 2
    below = [".".join(key.split(".")[:depth]) for key in keys if key.startswith(f"{prefix}.")]
    return list(dict.fromkeys(below))


def _renamed(ours: str, theirs: str, names: dict[str, str]) -> Iterator[tuple[str, str]]:
    for own, official in names.items():
        yield f"{ours}.{own}", f"{theirs}.{official}"
