"""``seaformer runner``: build the C++ runner, or pack a bench to run by hand on a board."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seaformer.commands._options import FileGroup, PlanOptions, TailName, grouped
from seaformer.commands._parse import artifact_files, engine_names, file_options, known, run_plan
from seaformer.commands._print import (
    command_line,
    next_step,
    say,
    steps,
)
from seaformer.core.engine import timed_engines
from seaformer.core.errors import UsageError
from seaformer.core.plan import MOST_SEED
from seaformer.core.plural import counted

if TYPE_CHECKING:
    from seaformer.runtime.build.android import EnginePath
    from seaformer.runtime.build.bundle import Bundle


_SOURCES = ", ".join(row.name for row in timed_engines() if row.source is not None)

app = typer.Typer(
    help="Build the C++ runner that measures latency, or pack it for a board.", no_args_is_help=True
)


@app.command("build")
def build(
    target: Annotated[str, typer.Option(help="host, or arm64: phones and boards")] = "host",
    engine: Annotated[
        list[str] | None, typer.Option(help=f"also build the library of: {_SOURCES}")
    ] = None,
    toolchain: Annotated[
        Path | None, typer.Option(help="arm64: a CMake toolchain file; else Debian's compiler")
    ] = None,
    ndk: Annotated[Path | None, typer.Option(help="arm64: an Android NDK. UNTESTED")] = None,
    engine_files: Annotated[
        list[str] | None,
        typer.Option(help="with --ndk: NAME=PATH of an engine's install folder or .aar archive"),
    ] = None,
) -> None:
    """Build the C++ runner; a build that exists is used as it is.

    For arm64 it is a bundle: one folder with everything the runner needs, proved to run alone.
    """
    from seaformer.runtime.build.runner import build_host_runner

    known("target", [target], ("host", "arm64"))
    options = BundleOptions(toolchain, ndk, tuple(engine_files or ()))
    options.check(target)
    libraries = _libraries(engine or (), ndk)
    if target == "arm64":
        with steps() as step:
            lines = options.build(step, libraries)
        for line in lines:
            say(line)
        next_step("seaformer bench --device emulator --variant t")
        return
    with steps() as step:
        built = build_host_runner(step, libraries)
    say(str(built.binary))
    next_step("seaformer bench --variant t --threads 1")


@app.command("pack")
@grouped
def pack(
    how: PlanOptions,
    about: FileGroup,
    artifacts: Annotated[list[Path], typer.Argument(help="model files, exported here or anywhere")],
    out: Annotated[Path, typer.Option(help="the tar file to write")] = Path("seaformer-board.tar"),
    components: Annotated[bool, typer.Option("--components", help="time the parts too")] = False,
    tail: TailName = "",
    size: Annotated[str, typer.Option(help="HxW of a file with free sizes")] = "",
    seed: Annotated[int, typer.Option(min=0, max=MOST_SEED, help="of the order and inputs")] = 0,
) -> None:
    """Pack a bench as one file, to run by hand on a board; results merge takes its answer."""
    from seaformer.bench.pack import ANSWER, HOME, check_out, write_pack
    from seaformer.core.files import expanded
    from seaformer.runtime.build.arm64 import build_arm64_bundle

    plan = run_plan(how, "ssh", seed=seed, components=components, tail=tail)
    path = expanded(out)
    check_out(path)
    with steps() as step:
        models = artifact_files(artifacts, file_options(about, size, (), seed), step)
        bundle = build_arm64_bundle(step, libraries=engine_names((), models))
        step("pack the runner, the models and their inputs")
        record = write_pack(path, models, plan, bundle, command_line())
    processes = counted(len(record.runs), "process", "processes")
    say(f"{path}  {path.stat().st_size / 1e6:.1f} MB, {processes}")
    say("  on the board:   " + f"tar -xf {path.name} && sh {HOME}/run.sh")
    say(f"  and bring back: {HOME}/{ANSWER}")
    next_step(f"seaformer results merge {ANSWER}")


def _libraries(names: Sequence[str], ndk: Path | None) -> tuple[str, ...]:
    """The engines whose library is built. Raises ``UnknownName``, ``UsageError`` with an NDK."""
    from seaformer.runtime.build.engines import source_engines

    known("engine that is built from source", names, tuple(row.name for row, _ in source_engines()))
    if names and ndk is not None:
        raise UsageError("--engine is not supported with --ndk.", hint="Use Debian's compiler.")
    return tuple(names)


@dataclass(frozen=True)
class BundleOptions:
    """The options of ``runner build`` that are about ARM devices; ``None`` where not given."""

    toolchain: Path | None = None
    ndk: Path | None = None
    engine_files: tuple[str, ...] = ()

    def check(self, target: str) -> None:
        """Raise ``UsageError`` for options that do not go together, or a path without a name."""
        given = [name for name in self.__dataclass_fields__ if getattr(self, name)]
        if given and target != "arm64":
            option = given[0].replace("_", "-")
            raise UsageError(f"--{option} is for --target arm64, not for {target}.")
        if self.ndk is not None and self.toolchain is not None:
            raise UsageError("--ndk brings its own toolchain: give --ndk or --toolchain.")
        if self.engine_files and self.ndk is None:
            raise UsageError(
                "--engine-files goes with --ndk; without one the engines are the aarch64 wheels "
                "of the versions installed here."
            )
        self.engine_paths()

    def engine_paths(self) -> tuple[EnginePath, ...]:
        """The files of each engine for Android. Raises ``UsageError``."""
        from seaformer.runtime.build.android import EnginePath
        from seaformer.runtime.build.engines import wheel_engines

        names = [row.name for row, _ in wheel_engines()]
        paths = []
        for text in self.engine_files:
            name, _, path = text.partition("=")
            if name not in names or not path:
                raise UsageError(
                    f"--engine-files must be NAME=PATH with NAME one of {', '.join(names)} "
                    f"(got {text})."
                )
            paths.append(EnginePath(name, Path(path)))
        return tuple(paths)

    def build(self, step: Callable[[str], None], libraries: Sequence[str] = ()) -> list[str]:
        """Build or find the bundle, prove that it runs alone; what it is, in lines."""
        from seaformer.runtime.build.android import build_android_bundle
        from seaformer.runtime.build.arm64 import build_arm64_bundle, prove_bundle

        if self.ndk is not None:
            bundle = build_android_bundle(self.ndk, self.engine_paths(), progress=step)
            return _lines(bundle, "not run. Building with an NDK is untested; try it on a phone")
        bundle = build_arm64_bundle(step, toolchain_file=self.toolchain, libraries=libraries)
        step("run it from its folder alone")
        return _lines(bundle, prove_bundle(bundle))


def _lines(bundle: Bundle, proof: str) -> list[str]:
    made = bundle.manifest
    held = [f"{engine.name} {engine.version or ''}".strip() for engine in made.engines]
    files = counted(len(made.files), "file")
    return [
        str(bundle.folder),
        f"  {files}, {bundle.size_bytes / 1e6:.1f} MB, {', '.join(held)}",
        f"  compiler: {made.compiler}",
        f"  proof: {proof}",
    ]
