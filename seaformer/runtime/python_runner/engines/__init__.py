"""The engines that the Python runner drives, a file each: load, set inputs, run, take the outputs.

Not the sessions of ``runtime/``, which check and convert at every call: what is timed here is the
engine's own call with as little Python around it as there can be. A file has

- ``open_engine(model, threads, profile_ops)``
- ``recognises(head)``: whether a file that begins so is for this engine; ``None``: unknown
- ``expected_bytes(head)``: how long such a file should at least be
"""

from __future__ import annotations

from seaformer.core.registry import Registry

ENGINES = Registry("seaformer.runtime.python_runner.engines", noun="engine", extra="export")
