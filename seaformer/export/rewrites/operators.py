"""Operators of any network as XNNPACK takes them whole; rules over the captured graph.

Each replaces an operator by others that give the same values for the shapes at hand. Reasons are
those of executorch 1.5.1: ``op-support.csv`` and ``partition/config`` of its XNNPACK backend.
"""

from __future__ import annotations

import math
import operator as python
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.fx import Node

from seaformer.export.rewrites._graph import GraphRule, Nodes, Site, aten, operator
from seaformer.export.rewrites.topformer import shares

_MAP = 4  # axes of a tensor that XNNPACK may hold with its channels last


def _constant(site: Site) -> Nodes:
    """What depends on no input is computed once."""
    target: Any = site.node.target
    tags = getattr(target, "tags", ())
    if target._schema.is_mutable or torch.Tag.nondeterministic_seeded in tags:
        return None
    values = [site.value(node) for node in site.node.all_input_nodes]
    if any(value is None for value in values):
        return None
    known = dict(zip(site.node.all_input_nodes, values, strict=True))
    args, kwargs = torch.fx.node.map_arg(
        (site.node.args, site.node.kwargs), lambda node: known[node]
    )
    with torch.no_grad():
        result = target(*args, **kwargs)
    return site.constant(result) if isinstance(result, Tensor) else None


def _fold_batch_norm(site: Site) -> Nodes:
    weights = [site.value(site.arg(i)) for i in (3, 4, 1, 2)]  # mean, variance, weight, bias
    mean, variance = weights[:2]
    if mean is None or variance is None or len(site.shape(site.x)) != 4:
        return None
    if any(user.target is not python.getitem or user.args[1] for user in site.node.users):
        return None
    scale = torch.rsqrt(variance.double() + site.arg(6))
    scale = scale if weights[2] is None else scale * weights[2].double()
    shift = -mean.double() * scale
    shift = shift if weights[3] is None else shift + weights[3].double()
    conv, dtype = site.x, mean.dtype
    weight = site.value(conv.args[1]) if operator(conv) == "aten::conv2d" else None
    if weight is None or len(conv.users) > 1:
        shaped = [site.constant(each.to(dtype).reshape(1, -1, 1, 1)) for each in (scale, shift)]
        return [site.call(aten.add.Tensor, site.call(aten.mul.Tensor, conv, shaped[0]), shaped[1])]
    bias = site.value(conv.args[2]) if len(conv.args) > 2 else None
    shift = shift if bias is None else shift + bias.double() * scale
    folded = site.constant((weight.double() * scale.reshape(-1, 1, 1, 1)).to(dtype))
    target: Any = conv.target
    shift_node = site.constant(shift.to(dtype))
    return [site.call(target, conv.args[0], folded, shift_node, *conv.args[3:])]


def _hard_sigmoid(site: Site) -> Nodes:
    """relu6(x + 3) / 6 is x / 6 + 1/2 within 0 and 1."""
    scaled = site.call(aten.mul.Tensor, site.x, site.number(1 / 6))
    return site.call(
        aten.hardtanh.default, site.call(aten.add.Tensor, scaled, site.number(0.5)), 0.0, 1.0
    )


def _silu(site: Site) -> Nodes:
    return site.call(aten.mul.Tensor, site.x, site.call(aten.sigmoid.default, site.x))


def _layer_norm(site: Site) -> Nodes:
    """Means over the last axis are linear layers with one output."""
    if len(site.arg(1)) != 1:
        return None
    like, channels = site.like(site.x), site.arg(1)[0]
    mean = site.constant(torch.full((1, channels), 1 / channels, dtype=like.dtype))
    centred = site.call(aten.sub.Tensor, site.x, site.call(aten.linear.default, site.x, mean))
    squares = site.call(aten.mul.Tensor, centred, centred)
    variance = site.call(aten.linear.default, squares, mean, site.number(site.arg(4, 1e-5)))
    y = site.call(aten.mul.Tensor, centred, site.call(aten.rsqrt.default, variance))
    for function, index in ((aten.mul.Tensor, 2), (aten.add.Tensor, 3)):
        if site.arg(index) is not None:
            y = site.call(function, y, site.arg(index))
    return y


def _axis_mean(site: Site) -> Nodes:
    """A mean or a sum over one axis is a product with equal weights."""
    shape, axes = site.shape(site.x), site.arg(1)
    if not axes:
        return None
    places = sorted(axis % len(shape) for axis in axes)
    is_mean = operator(site.node) == "aten::mean"
    result = list(site.node.meta["val"].shape)
    if len(shape) == 4 and places == [2, 3] and is_mean:
        if site.arg(2, False):
            return None
        kept = site.call(aten.mean.dim, site.x, [2, 3], True)
        return site.call(aten.reshape.default, kept, result)
    if len(places) != 1 or len(shape) < 2:
        return None
    count = shape[places[0]]
    last = _moved(site, site.x, places[0], len(shape))
    share = torch.full((1, count), 1 / count if is_mean else 1.0, dtype=site.like(site.x).dtype)
    total = site.call(aten.linear.default, last, site.constant(share))
    back = _moved(site, total, places[0], len(shape))
    return back if site.arg(2, False) else site.call(aten.reshape.default, back, result)


def _moved(site: Site, node: Node, axis: int, rank: int) -> Node:
    """With that axis and the last exchanged."""
    last = rank - 1
    return node if axis == last else site.call(aten.transpose.int, node, axis, last)


def _adaptive_pool(site: Site) -> Nodes:
    """Windows of one size are a pool, others a product for each axis."""
    height, width = site.shape(site.x)[-2:]
    rows, columns = site.arg(1)
    if (rows, columns) == (1, 1) or len(site.shape(site.x)) != 4:
        return None
    if height % rows == 0 and width % columns == 0:
        window = [height // rows, width // columns]
        return site.call(aten.avg_pool2d.default, site.x, window, window, [0, 0], False, False)
    dtype = site.like(site.x).dtype
    x = site.call(aten.linear.default, site.x, site.constant(shares(width, columns).to(dtype)))
    x = site.call(aten.transpose.int, x, 2, 3)
    x = site.call(aten.linear.default, x, site.constant(shares(height, rows).to(dtype)))
    return site.call(aten.transpose.int, x, 2, 3)


def _pool_inside(site: Site) -> Nodes:
    """Without padding it is of no matter whether padding counts."""
    padded, rounds_up, counts = any(site.arg(3, [0])), site.arg(4, False), site.arg(5, True)
    if padded or rounds_up or not counts:
        return None
    stride = site.arg(2) or site.arg(1)
    return site.call(aten.avg_pool2d.default, site.x, site.arg(1), stride, [0, 0], False, False)


def _softmax(site: Site) -> Nodes:
    """Over the last axis; of 4-D tensors in 3-D, which have no other layout."""
    shape = list(site.shape(site.x))
    rank, axis = len(shape), site.arg(1) % len(shape)
    if axis == rank - 1 and rank != _MAP:
        return None
    x = _moved(site, site.x, axis, rank)
    shape[axis], shape[-1] = shape[-1], shape[axis]
    if rank == _MAP:
        x = site.call(aten.reshape.default, x, [shape[0] * shape[1], *shape[2:]])
    weights = site.call(aten.softmax.int, x, -1)
    if rank == _MAP:
        weights = site.call(aten.reshape.default, weights, shape)
    return _moved(site, weights, axis, rank)


def _attention(site: Site) -> Nodes:
    """Scaled products of 3-D batches with a softmax in between."""
    q, k, v, mask = (site.arg(i) for i in range(4))
    shapes = [site.shape(each) for each in (q, k, v)]
    plain = not site.arg(4, 0.0) and not site.arg(5, False)
    plain = plain and not site.node.kwargs.get("enable_gqa", False)
    if not plain or any(len(shape) != 4 or shape[:2] != shapes[0][:2] for shape in shapes):
        return None
    if mask is not None and not site.like(mask).is_floating_point():
        return None
    scale = site.node.kwargs.get("scale")
    scale = 1 / math.sqrt(shapes[0][3]) if scale is None else float(str(scale))
    q = site.call(aten.mul.Tensor, q, site.number(scale))
    turned = site.call(aten.transpose.int, k, 2, 3)
    scores = _product(site, q, turned, shapes[0], shapes[1][2])
    scores = scores if mask is None else site.call(aten.add.Tensor, scores, mask)
    weights = site.call(aten.softmax.int, scores, -1)
    return _product(site, weights, v, (*shapes[0][:3], shapes[1][2]), shapes[2][3])


def _product(site: Site, a: Node, b: Node, shape: Sequence[int], columns: int) -> Node:
    """a (..., n, k), whose shape is given, times b (..., k, ``columns``) by 3-D batches."""
    *outer, rows, inner = shape
    one = site.call(aten.reshape.default, a, [math.prod(outer), rows, inner])
    other = site.call(aten.reshape.default, b, [math.prod(outer), inner, columns])
    y = site.call(aten.bmm.default, one, other)
    return site.call(aten.reshape.default, y, [*outer, rows, columns])


def _matmul(site: Site) -> Nodes:
    a, b = site.x, site.arg(1)
    one, other = site.shape(a), site.shape(b)
    if len(one) not in (3, 4) or len(one) != len(other) or one[:-2] != other[:-2]:
        return None
    return _product(site, a, b, one, other[-1])


def _split(site: Site) -> Nodes:
    """Slices of one axis; those of ``unbind`` lose it."""
    name, shape = operator(site.node), site.shape(site.x)
    if any(user.target is not python.getitem for user in site.node.users):
        return None
    drops = name == "aten::unbind"
    axis = (site.arg(1, 0) if drops else site.arg(2, 0)) % len(shape)
    sizes = [1] * shape[axis] if drops else site.arg(1)
    if isinstance(sizes, int):
        sizes = [min(sizes, shape[axis] - i) for i in range(0, shape[axis], sizes)]
    if len(sizes) == 1 and not drops:
        return None
    starts = [sum(sizes[:i]) for i in range(len(sizes))]
    pairs = zip(starts, sizes, strict=True)
    parts = [site.call(aten.slice.Tensor, site.x, axis, i, i + size) for i, size in pairs]
    kept = [*shape[:axis], *shape[axis + 1 :]]
    return [site.call(aten.reshape.default, part, kept) for part in parts] if drops else parts


def _select(site: Site) -> Nodes:
    shape = site.shape(site.x)
    axis = site.arg(1) % len(shape)
    index = site.arg(2) % shape[axis]
    part = site.x
    if shape[axis] > 1:
        part = site.call(aten.slice.Tensor, site.x, axis, index, index + 1)
    return site.call(aten.reshape.default, part, [*shape[:axis], *shape[axis + 1 :]])


def _roll(site: Site) -> Nodes:
    """Two slices, exchanged, for each axis."""
    shape, x = site.shape(site.x), site.x
    axes = site.arg(2, [])
    if len(axes) != len(site.arg(1)):
        return None
    for shift, axis in zip(site.arg(1), axes, strict=True):
        cut = -shift % shape[axis]
        if cut:
            head = site.call(aten.slice.Tensor, x, axis, 0, cut)
            tail = site.call(aten.slice.Tensor, x, axis, cut, shape[axis])
            x = site.call(aten.cat.default, [tail, head], axis)
    return x


_BROADCAST = ("aten::add", "aten::mul", "aten::sub")


def _expand(site: Site) -> Nodes:
    """Sums and products broadcast by themselves."""
    if site.shape(site.x) == tuple(site.node.meta["val"].shape):
        return site.x
    binary = all(operator(user) in _BROADCAST for user in site.node.users)
    sized = all(
        any(site.shape(other) == tuple(user.meta["val"].shape)
            for other in user.all_input_nodes if other is not site.node)
        for user in site.node.users if binary
    )  # fmt: skip
    return site.x if binary and sized else None


RULES = (
    GraphRule("graph-constants", (), _constant,
        "What depends on no input, such as a table of positions, is computed once"),
    GraphRule("graph-batch-norm", ("aten::_native_batch_norm_legit_no_training",), _fold_batch_norm,
        "A norm of constant statistics goes into the convolution before it, or is one product"),
    GraphRule("graph-hard-sigmoid", ("aten::hardsigmoid",), _hard_sigmoid,
        "XNNPACK has no hard sigmoid in FP16; a clamp fuses with what is before it"),
    GraphRule("graph-silu", ("aten::silu",), _silu,
        "XNNPACK has no SiLU, and torch's decomposition computes it in FP32"),
    GraphRule("graph-layer-norm", ("aten::layer_norm",), _layer_norm,
        "XNNPACK has no layer norm; its means are linear layers"),
    GraphRule("graph-axis-mean", ("aten::mean", "aten::sum"), _axis_mean,
        "XNNPACK averages a map over both axes only; over one it is a product"),
    GraphRule("graph-adaptive-pool",
        ("aten::adaptive_avg_pool2d", "aten::_adaptive_avg_pool2d"), _adaptive_pool,
        "XNNPACK pools adaptively to 1x1 only; for a known size it is a pool or two products"),
    GraphRule("graph-pool", ("aten::avg_pool2d",), _pool_inside,
        "XNNPACK takes an average pool only where padding does not count"),
    GraphRule("graph-softmax", ("aten::softmax",), _softmax,
        "XNNPACK takes softmax over what is last in memory, which may be the channels"),
    GraphRule("graph-attention", ("aten::scaled_dot_product_attention",), _attention,
        "XNNPACK multiplies 3-D batches only, and has no fused attention"),
    GraphRule("graph-matmul", ("aten::matmul",), _matmul,
        "XNNPACK multiplies 3-D batches only"),
    GraphRule("graph-split",
        ("aten::split", "aten::split_with_sizes", "aten::unbind"), _split,
        "XNNPACK cuts by slices only"),
    GraphRule("graph-select", ("aten::select",), _select,
        "XNNPACK takes one place of an axis as a slice only"),
    GraphRule("graph-roll", ("aten::roll",), _roll,
        "XNNPACK has no roll; it is two slices, exchanged"),
    GraphRule("graph-expand", ("aten::expand", "aten::expand_as"), _expand,
        "XNNPACK takes no expand; sums and products broadcast by themselves"),
)  # fmt: skip
