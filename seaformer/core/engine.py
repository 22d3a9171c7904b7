"""``Engine``: a runtime and the format it runs, one row each. No other code names one.

A new engine is a row here and these files, none of which is imported before it is used:

- ``export/<format>.py`` writes files of its format and proves them
- ``runtime/<name>.py`` opens one from Python to check its answers
- ``runtime/runner/engine_<name>.cpp`` times it, where ``timed``; it registers itself
- ``bench/operators/<name>.py`` reads its profile, where it ``profiles``
- ``runtime/python_runner/engines/<name>.py`` times it where nothing compiles, if it can
- ``runtime/build/recipes/<name>.cmake`` builds its library, where it has a ``source``

The version that is asked for is in the package's own metadata (``pyproject.toml``).
"""

from __future__ import annotations

import platform
from dataclasses import dataclass, field
from importlib import metadata
from typing import Literal

from seaformer.core.environment import is_on
from seaformer.core.errors import RunnerFailed
from seaformer.core.registry import unknown

STOCK_VARIABLE = "SEAFORMER_STOCK_KERNELS"


@dataclass(frozen=True)
class Wheel:
    """What a build and a run of the C++ runner take from the wheel of an engine.

    Paths are below the folder of the package inside the wheel.

    Args:
        package: the distribution, which is also the folder's name.
        needed: beginnings of the paths that a build or a run needs.
        cmake: the file that a CMake package consists of; with it the engine is linked, and the
            package's folder is a CMake prefix. Empty: nothing is linked.
        linked: shared libraries that a linked runner opens by itself, for a bundle.
        opened: pattern of the shared library that the runner opens at run time; empty: none.
        opened_as: the name of that library in a bundle; with the wheel's version for ``{version}``.
        archived_as: where that library lies in the engine's archive for Android.
    """

    package: str
    needed: tuple[str, ...]
    cmake: str = ""
    linked: tuple[str, ...] = ()
    opened: str = ""
    opened_as: str = ""
    archived_as: str = ""


@dataclass(frozen=True)
class Source:
    """An engine whose library is built here, once, from its source distribution.

    Args:
        package: the distribution.
        version: of that distribution.
        sha256: of its file.
        library: pattern of the shared library in the folder of the build.
        opened_as: the name of that library in a bundle.
        runtime: libraries of the compiler that a bundle needs besides.
        minutes: of one core that a build takes.
        stock: settings of CMake that leave kernels of ours out of it.
    """

    package: str
    version: str
    sha256: str
    library: str
    opened_as: str
    runtime: tuple[str, ...] = ()
    minutes: int = 10
    stock: tuple[str, ...] = ()

    @property
    def overrides(self) -> tuple[str, ...]:
        """``stock`` where the variable ``SEAFORMER_STOCK_KERNELS`` asks for it, else nothing."""
        return self.stock if is_on(STOCK_VARIABLE) else ()


@dataclass(frozen=True)
class Engine:
    """One runtime.

    Args:
        name: the key, as in the names of its files and in results.
        title: the name that its makers give it.
        format: the format it runs, the name of a file in ``export/``.
        suffix: the suffix of such a file.
        noun: what such a file is called in a sentence, with its article.
        tools: the distributions that decide what an exported file contains.
        extra: the pip extra that installs them.
        delegate: the backend that its files are lowered to; empty: none.
        components: whether its files can hold the parts of a network beside the whole.
        float_input: why its files cannot take 8-bit pixels and normalise them; empty: they can.
        fixed_sizes: why its files cannot leave sizes of the input free; empty: they can.
        timed: whether the C++ runner can time it.
        profiles: whether it reports the time of each operator.
        system: the only system it runs on, as ``platform.system()`` reports it; empty: any.
        environment: variables that are set before it is loaded, where the user has not set them.
        wheel: what a build of the runner needs; none for an engine that its own source contains.
        source: what its library is built from, where no wheel has one for the runner.
        weights_suffix: what the file beside the model that has its weights ends with; empty: none.
    """

    name: str
    title: str
    format: str
    suffix: str
    noun: str
    tools: tuple[str, ...]
    extra: str = "export"
    delegate: str = ""
    components: bool = True
    float_input: str = ""
    fixed_sizes: str = ""
    timed: bool = True
    profiles: bool = False
    system: str = ""
    environment: tuple[tuple[str, str], ...] = ()
    wheel: Wheel | None = field(default=None)
    source: Source | None = field(default=None)
    weights_suffix: str = ""

    @property
    def runs_here(self) -> bool:
        """Whether this machine's system can run it."""
        return self.system in ("", platform.system())


ENGINES: tuple[Engine, ...] = (
    Engine(
        name="onnxruntime",
        title="ONNX Runtime",
        format="onnx",
        suffix=".onnx",
        noun="an ONNX model",
        tools=("torch", "onnx", "onnxruntime", "onnxsim"),
        profiles=True,
        # onnxruntime 1.31: telemetry (a thread, a database, uploads) is on unless this is set
        # before the library is loaded.
        environment=(("ORT_DISABLE_TELEMETRY", "1"),),
        wheel=Wheel(
            package="onnxruntime",
            needed=("capi/libonnxruntime.so",),
            opened="capi/libonnxruntime.so*",
            opened_as="libonnxruntime.so.1",
            archived_as="jni/arm64-v8a/libonnxruntime.so",
        ),
    ),
    Engine(
        name="executorch",
        title="ExecuTorch",
        format="executorch",
        suffix=".pte",
        noun="an ExecuTorch program",
        tools=("torch", "executorch"),
        delegate="xnnpack",
        fixed_sizes="XNNPACK takes no resize and no pool of a free size",
        profiles=True,
        wheel=Wheel(
            package="executorch",
            needed=("include/", "lib/", "share/cmake/"),
            cmake="share/cmake/executorch-config.cmake",
            linked=(
                "lib/libexecutorch.so",
                "lib/libexecutorch_kernels_optimized.so",
                "lib/libexecutorch_backend_xnnpack.so",
                "lib/libexecutorch_threadpool.so",
            ),
        ),
    ),
    Engine(
        name="ncnn",
        title="ncnn",
        format="ncnn",
        suffix=".param",
        noun="an ncnn network",
        tools=("torch", "ncnn", "pnnx"),
        extra="ncnn",
        profiles=True,
        float_input="an ncnn network takes floats; an app fills them by ncnn::Mat::from_pixels",
        fixed_sizes="ncnn has no batch, and pnnx writes sizes into the file",
        source=Source(
            package="ncnn",
            version="1.0.20261020",
            sha256="ad8cdd63e9755cfa8e23b9b6d9ce46156077d80298a89e7c3ba325ffccfca200",
            library="src/libncnn.so.*.*",
            opened_as="libncnn.so.1",
            runtime=("libgomp.so.1",),
            stock=("CMAKE_PROJECT_ncnn_INCLUDE=",),
        ),
        weights_suffix=".bin",
    ),
    Engine(
        name="litert",
        title="LiteRT",
        format="litert",
        suffix=".tflite",
        noun="a LiteRT model",
        tools=("torch", "ai-edge-litert", "litert-torch"),
        extra="litert",
        delegate="xnnpack",
        components=False,
        float_input="litert-torch converts a network of floats; an app fills the tensor",
        fixed_sizes="litert-torch writes sizes into the file",
        wheel=Wheel(
            package="ai_edge_litert",
            needed=("libLiteRt.so",),
            opened="libLiteRt.so",
            # The library states no version of its own: the runner reads it off the name.
            opened_as="libLiteRt.so.{version}",
        ),
    ),
    Engine(
        name="coreml",
        title="Core ML",
        format="coreml",
        suffix=".mlpackage",
        noun="a Core ML package",
        tools=("torch", "coremltools"),
        extra="coreml",
        components=False,
        float_input="coremltools 9.0 converts no input of 8-bit integers",
        fixed_sizes="other sizes are proved by running the file, which requires macOS",
        timed=False,
        system="Darwin",
    ),
)
FormatName = Literal[
    "onnx", "executorch", "ncnn", "litert", "coreml"
]  # the formats of the rows, for type checkers
DEFAULT_FORMAT: FormatName = "executorch"
DEFAULT_EXTRA = "export"


def engines() -> tuple[Engine, ...]:
    """Every row. Read through this function, so that a row that is added later is seen."""
    return ENGINES


def timed_engines() -> tuple[Engine, ...]:
    """The engines that a bench can time."""
    return tuple(engine for engine in engines() if engine.timed)


def formats() -> tuple[str, ...]:
    """Every format, in the order of the rows."""
    return tuple(engine.format for engine in engines())


def timed_formats() -> tuple[str, ...]:
    """The formats that a bench can time."""
    return tuple(engine.format for engine in timed_engines())


def installed_formats() -> tuple[str, ...]:
    """The timed formats whose packages are all installed; every timed one where none is."""
    installed = (row.format for row in timed_engines() if all(map(_is_installed, row.tools)))
    return tuple(installed) or timed_formats()


def _is_installed(distribution: str) -> bool:
    try:
        return bool(metadata.version(distribution))
    except metadata.PackageNotFoundError:
        return False


def default_formats() -> tuple[str, ...]:
    """The formats that a bench times where none is named: those of the ``export`` extra."""
    return tuple(row.format for row in timed_engines() if row.extra == DEFAULT_EXTRA)


def engine(name: str) -> Engine:
    """The engine of that name. Raises ``UnknownName``."""
    for row in engines():
        if row.name == name:
            return row
    raise unknown("engine", name, [row.name for row in engines()])


def engine_of(format: str) -> Engine:
    """The engine that runs a format. Raises ``UnknownName``."""
    for row in engines():
        if row.format == format:
            return row
    raise unknown("format", format, formats())


def runner_engine(format: str, file: str) -> Engine:
    """The engine that times a file of that format. Raises ``RunnerFailed`` where none does."""
    for row in timed_engines():
        if row.format == format:
            return row
    raise RunnerFailed(f"No runner takes {format}: {file} can be exported, not timed, here.")
