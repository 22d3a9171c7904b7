"""The command line. A command parses, makes one library call, and prints.

Tables go to stdout, progress and warnings to stderr. Errors are caught here, once: one sentence,
what to do, and the exit code drawn in ``core/errors.py``. What a command needs is imported inside
it, so that ``--help`` answers at once and a bench needs no torch.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seaformer import __version__
from seaformer.core.errors import SeaFormerError, UsageError

if TYPE_CHECKING:
    from seaformer.core.artifact import Artifact
    from seaformer.core.measurement import Measurement
    from seaformer.core.plan import RunPlan
    from seaformer.export._request import ExportRequest

INTERRUPTED = 130
_LONGEST_SIZE = 30
_EPILOG = (
    "Exit codes: 0 done, 1 failed, 2 usage, 3 a model or file is not what it should be, "
    "4 device or runner, 5 measurement refused, 6 regression, 130 interrupted. "
    "--debug anywhere shows the traceback."
)

app = typer.Typer(
    name="seaformer",
    help="From a mobile vision model's definition to a latency that can be trusted.",
    epilog=_EPILOG,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
runner_app = typer.Typer(help="The C++ runner that takes the times.", no_args_is_help=True)
app.add_typer(runner_app, name="runner")

Variants = Annotated[str, typer.Option("--variant", help="SeaFormer sizes: t,s,b,l")]
Model = Annotated[str, typer.Option("--model", help="names or globs: seaformer_t.*,seaformer_b")]
Precision = Annotated[str, typer.Option(help="fp32 or fp16")]
Size = Annotated[str, typer.Option(help="image size HxW; the model's own when absent")]
Scope = Annotated[
    str, typer.Option(help="what the graph ends with: logits, upsample, argmax or boxes")
]
Checkpoint = Annotated[str, typer.Option(help="official weights (.pth); seeded when absent")]
Classes = Annotated[int, typer.Option(help="number of classes; 0: the data set's")]
Results = Annotated[str, typer.Option("--results", help="results folder [$SEAFORMER_RESULTS]")]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON instead of a table")]


def main() -> None:
    """Run the command line; every error ends here."""
    argv = [argument for argument in sys.argv[1:] if argument != "--debug"]
    debug = len(argv) < len(sys.argv) - 1 or bool(os.environ.get("SEAFORMER_DEBUG"))
    try:
        app(argv, prog_name="seaformer")
    except SeaFormerError as error:
        if debug:
            raise
        _complain(error)
        sys.exit(error.exit_code)
    except BrokenPipeError:  # the reader of our output went away: seaformer models | head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:
        if debug:
            raise
        print(f"Error: {type(error).__name__}: {error}", file=sys.stderr)
        print(
            "This is a fault of seaformer: --debug shows where. Please report it.", file=sys.stderr
        )
        sys.exit(1)


@app.callback(invoke_without_command=True)
def _version(version: Annotated[bool, typer.Option("--version", help="print it")] = False) -> None:
    if version:
        print(f"seaformer {__version__}")
        raise typer.Exit


@app.command()
def models(
    glob: Annotated[str, typer.Argument(help="such as 'seaformer_t.*'")] = "*",
    as_json: AsJson = False,
) -> None:
    """The zoo: parameters, MACs, input, the paper's row, and the formats that were proved."""
    from seaformer.core import codec
    from seaformer.core.registry import unknown
    from seaformer.models import list_models, zoo_entry
    from seaformer.models._proofs import read
    from seaformer.report.zoo import ZooRow, zoo_table

    entries = [zoo_entry(name) for name in list_models(glob)]
    if not entries:
        raise unknown("model", glob, list_models())
    if as_json:
        _print_json([codec.to_json(entry) for entry in entries])
        return
    rows = [
        ZooRow(e.spec, e.params, e.macs, e.paper_flops, read().words(e.spec.name)) for e in entries
    ]
    _wide_print(zoo_table(rows))
    _next(f"seaformer export --model {entries[0].spec.name}")


@app.command()
def export(
    variant: Variants = "",
    model: Model = "",
    format: Annotated[str, typer.Option(help="onnx,executorch,coreml")] = "executorch",
    precision: Precision = "fp32",
    size: Size = "",
    scope: Scope = "logits",
    checkpoint: Checkpoint = "",
    classes: Classes = 0,
    seed: Annotated[int, typer.Option(help="of the weights without a checkpoint")] = 0,
    out: Annotated[Path, typer.Option(help="folder of the artifacts")] = Path("artifacts"),
    as_json: AsJson = False,
) -> None:
    """Write models as ONNX, ExecuTorch or Core ML files, each proved equal to PyTorch."""
    from seaformer.core import codec
    from seaformer.report.artifact import artifact_lines

    like = _request_like(size, scope, checkpoint, classes, seed)
    wanted = _requests(_model_names(variant, model), format, precision, like)
    made = []
    with _steps() as step:
        for request in wanted:
            artifact = request.export(out, _titled(step, request))
            made.append(artifact)
            if not as_json:
                print(f"{artifact.path}")
                print("".join(f"  {line}\n" for line in artifact_lines(artifact)), end="")
    if as_json:
        _print_json([codec.to_json(item) | {"path": str(item.path)} for item in made])
        return
    _next(f"seaformer bench {shlex.quote(_relative(made[0].path))} --threads 1")


@app.command()
def bench(
    artifacts: Annotated[list[Path] | None, typer.Argument(help="exported files")] = None,
    variant: Variants = "",
    model: Model = "",
    format: Annotated[str, typer.Option(help="onnx,executorch")] = "onnx,executorch",
    precision: Precision = "fp32",
    size: Size = "",
    scope: Scope = "logits",
    checkpoint: Checkpoint = "",
    classes: Classes = 0,
    device: Annotated[str, typer.Option(help="host", envvar="SEAFORMER_DEVICE")] = "host",
    threads: Annotated[int, typer.Option(help="1: the calling thread, no pool")] = 1,
    core: Annotated[str, typer.Option(help="prime, big, little or a core's number")] = "prime",
    warmup: Annotated[int, typer.Option(help="exact warm-up runs; -1: adaptive")] = -1,
    runs: Annotated[
        int, typer.Option(help="exact timed runs; -1: until the interval is narrow")
    ] = -1,
    min_secs: Annotated[float, typer.Option(help="time at least this long")] = 3.0,
    max_secs: Annotated[float, typer.Option(help="time at most this long")] = 20.0,
    repeats: Annotated[int, typer.Option(help="fresh processes per artifact")] = 3,
    seed: Annotated[int, typer.Option(help="of the order and of seeded weights")] = 0,
    results: Results = "",
    as_json: AsJson = False,
) -> None:
    """Time artifacts on one core in fresh processes; models without a file are exported first."""
    from seaformer.bench.run import Bench
    from seaformer.bench.target import open_target
    from seaformer.core.artifact import load_artifact
    from seaformer.core.plan import RunPlan, Stop, Warmup
    from seaformer.core.results import ResultStore, results_dir

    plan = RunPlan(
        threads=threads,
        core=core,
        processes=repeats,
        seed=seed,
        warmup=Warmup(runs=None if warmup == -1 else warmup),
        stop=Stop(min_seconds=min_secs, max_seconds=max_secs, runs=None if runs == -1 else runs),
    )
    _check_plan_here(plan, device)
    store = ResultStore(results_dir(results or None))
    found = [load_artifact(path) for path in artifacts or []]
    wanted = []
    if not found:
        like = _request_like(size, scope, checkpoint, classes, seed)
        wanted = _requests(_model_names(variant, model), format, precision, like)
    with _steps() as step:
        step("look at the device and the runner")
        target = open_target(device, step)
        run = Bench(target, plan, store, command=_command(), progress=_bench_progress(step))
        found += [request.cached(_titled(step, request)) for request in wanted]
        measured, interrupted = _run(run, found)
    _show(measured, store.root, as_json)
    if interrupted:
        print("Interrupted; what was measured has been stored.", file=sys.stderr)
        raise typer.Exit(INTERRUPTED)
    _exit_for(measured)


@app.command()
def report(results: Results = "") -> None:
    """Rebuild report.md, report.svg and tables/*.csv from the raw runs."""
    from seaformer.core.results import results_dir
    from seaformer.report import write_report
    from seaformer.report.renderers import terminal

    written = write_report(results_dir(results or None))
    table = written.report.table
    terminal.console(table).print(terminal.render(table))
    for path in written.paths:
        print(path)
    for damaged in written.report.damaged:
        print(f"skipped {damaged.path}: {damaged.reason}", file=sys.stderr)


@app.command()
def doctor(results: Results = "") -> None:
    """What is installed, what is missing, and the line that installs it."""
    from seaformer.bench.doctor import diagnose, exit_code, lines

    checks = diagnose(results=results or None)
    print("\n".join(lines(checks)))
    raise typer.Exit(exit_code(checks))


@runner_app.command("build")
def runner_build() -> None:
    """Build the C++ runner for this machine; a build that exists is used as it is."""
    from seaformer.runtime._runner_build import build_host_runner

    with _steps() as step:
        built = build_host_runner(step)
    print(built.binary)
    _next("seaformer bench --variant t --threads 1")


# What follows is shared by the commands: parsing, progress, printing.


def _request_like(size: str, scope: str, checkpoint: str, classes: int, seed: int) -> ExportRequest:
    """What all requests of one command share; the model is filled in by ``_requests``."""
    from seaformer.core.artifact import SCOPES
    from seaformer.export._request import ExportRequest

    _known("scope", [scope], SCOPES)
    return ExportRequest(
        model="",
        size=_size(size),
        scope=scope,
        checkpoint=checkpoint or None,
        classes=classes or None,
        seed=seed,
    )


def _requests(
    names: list[str], formats: str, precisions: str, like: ExportRequest
) -> list[ExportRequest]:
    """Every combination of models, formats and precisions; bad sizes are refused here already."""
    from seaformer.core.artifact import PRECISIONS
    from seaformer.export import FORMATS
    from seaformer.models import model_spec

    _known("format", _list(formats), FORMATS.names())
    _known("precision", _list(precisions), PRECISIONS)
    if not (_list(formats) and _list(precisions)):
        raise UsageError("No format or no precision was named.", hint="Say --format onnx")
    for name in names:
        model_spec(name, size=like.size, classes=like.classes)
    return [
        replace(like, model=name, format=format, precision=precision)
        for name in names
        for format in _list(formats)
        for precision in _list(precisions)
    ]


def _known(noun: str, values: Iterable[str], known: tuple[str, ...]) -> None:
    from seaformer.core.registry import unknown

    for value in values:
        if value not in known:
            raise unknown(noun, value, known)


def _model_names(variant: str, model: str) -> list[str]:
    from seaformer.core.registry import unknown
    from seaformer.models import from_variant, list_models, resolve_name

    names = [from_variant(item) for item in _list(variant)]
    for item in _list(model):
        found = list_models(item) if "*" in item or "?" in item else [resolve_name(item)]
        if not found:
            raise unknown("model", item, list_models())
        names += found
    if not names:
        raise UsageError(
            "No model was named.", hint="Say --variant t, or --model seaformer_t.cityscapes"
        )
    return list(dict.fromkeys(names))


def _size(text: str) -> tuple[int, int] | None:
    """``512x1024`` is height 512, width 1024."""
    if not text:
        return None
    height, cross, width = text.lower().partition("x")
    digits = height.isdecimal() and width.isdecimal() and len(text) <= _LONGEST_SIZE
    if not (cross and digits):
        raise UsageError(
            f"--size {text[:_LONGEST_SIZE]!r} is not a size: expected HEIGHTxWIDTH in pixels.",
            hint="For example: --size 512x1024",
        )
    return int(height), int(width)


def _list(text: str) -> list[str]:
    return [item.strip() for item in text.split(",") if item.strip()]


def _titled(step: Callable[[str], None], request: ExportRequest) -> Callable[[str], None]:
    return lambda what: step(f"{request.model} {request.format} {request.precision}: {what}")


def _run(run: Any, artifacts: list[Artifact]) -> tuple[list[Measurement], bool]:
    try:
        return run.run(artifacts), False
    except KeyboardInterrupt:
        return list(run.finished), True


def _show(measured: list[Measurement], root: Path, as_json: bool) -> None:
    from seaformer.core.measurement import document
    from seaformer.report import build
    from seaformer.report.renderers import terminal

    if as_json:
        _print_json([document(measurement) for measurement in measured])
        return
    table = build(measured, []).table
    terminal.console(table).print(terminal.render(table))
    _next(f"seaformer report --results {shlex.quote(str(root))}")


def _exit_for(measured: list[Measurement]) -> None:
    """A row that failed ends the command with the runner's code, an invalid one with 5."""
    from seaformer.core.errors import MeasurementRefused, RunnerFailed

    if any(measurement.failure is not None for measurement in measured):
        raise typer.Exit(RunnerFailed.exit_code)
    if not all(measurement.valid for measurement in measured):
        raise typer.Exit(MeasurementRefused.exit_code)


def _check_plan_here(plan: RunPlan, device: str) -> None:
    """Say at once what cannot be, before a model is exported for it."""
    from seaformer.core.plan import check_plan

    if device == "host":
        check_plan(plan, os.cpu_count() or 1)


@contextmanager
def _steps() -> Iterator[Callable[[str], None]]:
    """A spinner with the current step on stderr; a plain line per step where nobody watches."""
    from rich.console import Console

    # Bound to the stream as it is now: exporters' own chatter is redirected while they work.
    stream, console = sys.stderr, Console(file=sys.stderr)
    try:
        if console.is_terminal:
            with console.status("") as status:
                yield status.update
        else:
            yield lambda what: print(what, file=stream, flush=True)
    except KeyboardInterrupt:
        print("Interrupted.", file=stream)
        raise typer.Exit(INTERRUPTED) from None


def _bench_progress(step: Callable[[str], None]) -> Callable[[str, int, int], None]:
    return lambda what, done, total: step(f"process {min(done + 1, total)} of {total}: {what}")


def _wide_print(renderable: Any) -> None:
    """Print a table uncut, also where the output is no terminal."""
    from rich.console import Console

    console = Console()
    if not console.is_terminal:
        console = Console(width=Console(width=10_000).measure(renderable).maximum)
    console.print(renderable)


def _print_json(document: Any) -> None:
    print(json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False))


def _next(line: str) -> None:
    print(f"\nNext: {line}", file=sys.stderr)


def _relative(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def _command() -> str:
    return shlex.join(["seaformer", *sys.argv[1:]])


def _complain(error: SeaFormerError) -> None:
    print(f"Error: {error.message}", file=sys.stderr)
    if error.hint:
        print(error.hint, file=sys.stderr)
