"""ONNX operators as functions of PyTorch, for opset 7 to the newest.

``OPERATORS`` has for each kind what makes a function of a node: a function of those inputs of the
node that were not read as constants. Operators of constants alone are not listed: onnx's reference
evaluator computes them once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from seaformer.export._onnx.node import Function, OnnxNode
from seaformer.export._onnx.operators.arithmetic import ARITHMETIC
from seaformer.export._onnx.operators.layers import LAYERS
from seaformer.export._onnx.operators.resize import RESIZES
from seaformer.export._onnx.operators.shapes import SHAPES

OPERATORS: Mapping[str, Callable[[OnnxNode], Function]] = {
    **ARITHMETIC,
    **LAYERS,
    **RESIZES,
    **SHAPES,
}
