"""The command line. A command parses, makes one library call, and prints.

Tables go to stdout, progress and warnings to stderr. Errors are caught here, once: one sentence,
what to do, and the exit code drawn in ``core/errors.py``. What a command needs is imported inside
it, so that ``--help`` answers at once and a bench needs no torch.
"""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from seaformer import __version__
from seaformer.commands._options import (
    ROWS_SHOWN,
    AdbHost,
    AsJson,
    Checkpoint,
    Classes,
    Components,
    Model,
    Precision,
    Results,
    Scope,
    Size,
    Variants,
)
from seaformer.commands._parse import (
    model_names,
    profile_kinds,
    request_like,
    requests,
    run_plan,
)
from seaformer.commands._print import (
    command_line,
    complain,
    exit_for,
    github_summary,
    next_step,
    notice,
    print_json,
    relative,
    show_measurements,
    show_profiles,
    steps,
    titled,
    wide_print,
)
from seaformer.commands.compare import compare
from seaformer.commands.reproduce import reproduce
from seaformer.commands.results import app as results_app
from seaformer.commands.runner import app as runner_app
from seaformer.core.errors import SeaFormerError

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
app.add_typer(runner_app, name="runner")
app.add_typer(results_app, name="results")
app.command("compare")(compare)
app.command("reproduce")(reproduce)


def main() -> None:
    """Run the command line; every error ends here."""
    argv = [argument for argument in sys.argv[1:] if argument != "--debug"]
    debug = len(argv) < len(sys.argv) - 1 or bool(os.environ.get("SEAFORMER_DEBUG"))
    try:
        app(argv, prog_name="seaformer")
    except SeaFormerError as error:
        if debug:
            raise
        complain(error)
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
    glob: Annotated[str, typer.Argument(help="a name or glob: seaformer_t, 'seaformer_?.*'")] = "*",
    as_json: AsJson = False,
) -> None:
    """The zoo: parameters, MACs, input, the paper's row, and the formats that were proved."""
    from seaformer.models import find_models, list_models
    from seaformer.report.zoo import zoo_document, zoo_rows, zoo_table

    names = list_models(glob) or list_models(f"{glob}.*") or find_models(glob)
    rows = zoo_rows(names)
    if as_json:
        print_json([zoo_document(row) for row in rows])
        return
    wide_print(zoo_table(rows))
    next_step(f"seaformer export --model {names[0]}")


@app.command()
def export(
    variant: Variants = "",
    model: Model = "",
    format: Annotated[str, typer.Option(help="onnx,executorch,coreml")] = "executorch",
    precision: Precision = "fp32",
    size: Size = "",
    scope: Scope = "logits",
    components: Components = False,
    checkpoint: Checkpoint = "",
    classes: Classes = 0,
    seed: Annotated[int, typer.Option(help="of the weights without a checkpoint")] = 0,
    out: Annotated[Path, typer.Option(help="folder of the artifacts")] = Path("artifacts"),
    as_json: AsJson = False,
) -> None:
    """Write models as ONNX, ExecuTorch or Core ML files, each proved equal to PyTorch."""
    from seaformer.core import codec
    from seaformer.report.artifact import artifact_lines

    like = request_like(
        size=size,
        scope=scope,
        components=components,
        checkpoint=checkpoint,
        classes=classes,
        seed=seed,
    )
    wanted = requests(model_names(variant, model), format, precision, like)
    made = []
    with steps() as step:
        for request in wanted:
            artifact = request.export(out, titled(step, request))
            made.append(artifact)
            if not as_json:
                print(f"{artifact.path}")
                print("".join(f"  {line}\n" for line in artifact_lines(artifact)), end="")
    if as_json:
        print_json([codec.to_json(item) | {"path": str(item.path)} for item in made])
        return
    next_step(f"seaformer bench {shlex.quote(relative(made[0].path))} --threads 1")


@app.command()
def bench(
    artifacts: Annotated[list[Path] | None, typer.Argument(help="exported files")] = None,
    variant: Variants = "",
    model: Model = "",
    format: Annotated[str, typer.Option(help="onnx,executorch")] = "onnx,executorch",
    precision: Precision = "fp32",
    size: Size = "",
    scope: Scope = "logits",
    components: Components = False,
    checkpoint: Checkpoint = "",
    classes: Classes = 0,
    device: Annotated[
        str,
        typer.Option(
            help="host, emulator[:CORE], phone (the only one), serials, HOST:PORT, or all",
            envvar=["SEAFORMER_DEVICE", "ANDROID_SERIAL"],
        ),
    ] = "host",
    adb_host: AdbHost = "",
    resume: Annotated[
        bool, typer.Option("--resume", help="go on where the same bench stopped")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="measure in a state that would be refused; it is noted")
    ] = False,
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
    profile: Annotated[
        str, typer.Option(help="also: ops, time by operator; blocks, all code emulated; ops,blocks")
    ] = "",
    results: Results = "",
    as_json: AsJson = False,
) -> None:
    """Time artifacts on one core in fresh processes; models without a file are exported first."""
    from seaformer.bench.fleet import BenchOrder, Fleet
    from seaformer.bench.target import TargetOptions, list_targets
    from seaformer.core.artifact import load_artifact
    from seaformer.store.results import ResultStore, results_dir

    plan = run_plan(
        device,
        threads=threads,
        core=core,
        warmup=warmup,
        runs=runs,
        min_secs=min_secs,
        max_secs=max_secs,
        repeats=repeats,
        seed=seed,
        components=components,
    )
    profiles = profile_kinds(profile)
    store = ResultStore(results_dir(results or None))
    found = [load_artifact(path) for path in artifacts or []]
    wanted = []
    if not found:
        like = request_like(
            size=size,
            scope=scope,
            components=components,
            checkpoint=checkpoint,
            classes=classes,
            seed=seed,
        )
        wanted = requests(model_names(variant, model), format, precision, like)
    with steps() as step:
        step("look at the device and the runner")
        options = TargetOptions(adb_host=adb_host, resume=resume, force=force, notice=notice)
        order = BenchOrder(plan, store, command_line(), tuple(profiles), options)
        fleet = Fleet(list_targets(device, options), order, step)
        found += [request.cached(titled(step, request)) for request in wanted]
        outcomes = fleet.run(found)
    show_measurements([each for one in outcomes for each in one.measured], store.root, as_json)
    for one in outcomes:
        show_profiles(one.profiles, one.refused, store.root, as_json)
        print("".join(f"{line}\n" for line in one.blocks), end="", file=sys.stderr)
    exit_for(outcomes)


@app.command()
def devices(
    device: Annotated[str, typer.Option(help="serials with commas between, or all")] = "all",
    adb_host: AdbHost = "",
    as_json: AsJson = False,
) -> None:
    """What is attached: state, chip, clusters, the core that would be pinned, heat and battery."""
    from seaformer.android_bench.attach import Finder
    from seaformer.android_bench.devices import list_phones
    from seaformer.core import codec
    from seaformer.core.errors import DeviceError
    from seaformer.report.phones import phone_lines

    phones = list_phones(Finder(adb_host), device)
    ready = [phone for phone in phones if not phone.error]
    if as_json:
        print_json([codec.to_json(phone) for phone in phones])
    else:
        print("\n\n".join("\n".join(phone_lines(phone)) for phone in phones))
    if not ready:
        raise typer.Exit(DeviceError.exit_code)
    if not as_json:
        serial = shlex.quote(ready[0].serial)
        next_step(f"seaformer bench --device {serial} --variant t --threads 1")


@app.command()
def report(
    results: Results = "",
    github: Annotated[
        bool, typer.Option("--github", help="a summary for $GITHUB_STEP_SUMMARY, or on stdout")
    ] = False,
) -> None:
    """Rebuild report.html, report.md, report.svg and tables/*.csv from the raw runs."""
    from seaformer.report import write_report
    from seaformer.report.renderers import terminal
    from seaformer.report.renderers.github import summary
    from seaformer.report.zoo import zoo_rows
    from seaformer.store.results import ResultStore, results_dir

    root = results_dir(results or None)
    written = write_report(root, ResultStore(root).load(), zoo_rows())
    if github:
        named = github_summary(lambda room: summary(written.report, room))
        print(named, end="\n" * bool(named))
        return
    table = written.report.table
    if len(table.rows) <= ROWS_SHOWN:
        terminal.console(table).print(terminal.tables(table))
    else:
        print(f"{len(table.rows)} rows, too many for a terminal; they are in")
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
