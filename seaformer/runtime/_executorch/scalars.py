"""Types of a program's tensors: executorch 1.5.1's numbers of ``ScalarType``, with numpy's names.

``bfloat16`` is the one that numpy lacks.
"""

from __future__ import annotations

SCALARS = {
    0: "uint8",
    1: "int8",
    2: "int16",
    3: "int32",
    4: "int64",
    5: "float16",
    6: "float32",
    7: "float64",
    11: "bool",
    15: "bfloat16",
}
