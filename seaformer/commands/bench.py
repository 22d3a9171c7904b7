"""``seaformer bench``: the latency of artifacts on this machine, an emulated core, or phones."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seaformer.commands import _complete
from seaformer.commands._kept import keep_elsewhere
from seaformer.commands._options import (
    AsJson,
    DeviceOptions,
    FileGroup,
    ModelOptions,
    PlanOptions,
    QuantizeOptions,
    Results,
    TailName,
    Wide,
    grouped,
)
from seaformer.commands._parse import (
    artifact_files,
    engine_names,
    export_requests,
    file_options,
    input_kind,
    profile_kinds,
    run_plan,
)
from seaformer.commands._print import (
    INTERRUPTED,
    command_line,
    next_step,
    notice,
    print_json,
    show,
    steps,
    titled,
    warn_quantised,
)
from seaformer.commands._unused import check_files_alone, check_names_alone
from seaformer.core.engine import default_formats, timed_formats
from seaformer.core.plan import MOST_SEED

if TYPE_CHECKING:
    from seaformer.bench.fleet import Outcome
    from seaformer.core.measurement import Measurement
    from seaformer.core.operator_code import OperatorCodes
    from seaformer.core.profile import Profile
    from seaformer.core.request import ExportRequest

_DEFAULT = ",".join(default_formats())


@grouped
def bench(
    models: ModelOptions,
    integers: QuantizeOptions,
    where: DeviceOptions,
    how: PlanOptions,
    about: FileGroup,
    artifacts: Annotated[
        list[Path] | None, typer.Argument(help="model files, exported here or anywhere")
    ] = None,
    format: Annotated[
        str,
        typer.Option(
            help=f"{', '.join(timed_formats())}, or all", autocompletion=_complete.formats
        ),
    ] = _DEFAULT,
    seed: Annotated[
        int, typer.Option(min=0, max=MOST_SEED, help="of the order and of seeded weights")
    ] = 0,
    profile: Annotated[
        str,
        typer.Option(help="also: ops, operator by operator; blocks, all code emulated; or both"),
    ] = "",
    tail: TailName = "",
    results: Results = "",
    wide: Wide = False,
    as_json: AsJson = False,
) -> None:
    """Measure latency on one core, in fresh processes; models are exported first."""
    from seaformer.bench.fleet import BenchOrder, Fleet
    from seaformer.bench.target import TargetOptions, list_targets
    from seaformer.core.measurement import document
    from seaformer.export import cached_export, check_exporter
    from seaformer.store.results import ResultStore, results_dir

    plan = run_plan(how, where.device, seed=seed, components=models.components, tail=tail)
    store = ResultStore(results_dir(results or None))
    options = TargetOptions(where.adb_host, resume=where.resume, force=where.force, notice=notice)
    kinds = profile_kinds(profile)
    kind = input_kind(about.input or (), artifacts or ())
    if artifacts:
        check_files_alone(models, integers, format, _DEFAULT)
    else:
        check_names_alone(about)
    requests = (
        [] if artifacts else export_requests(models, format, seed, input=kind, integers=integers)
    )
    _check_tails(requests, plan.tail)
    check_exporter(requests)
    with steps() as step:
        targets = list_targets(where.device, options)
        stated = file_options(about, models.size, targets, seed)
        files = artifact_files(artifacts or [], stated, step)
        engines = engine_names(requests, files)
        order = BenchOrder(plan, store, command_line(), kinds, replace(options, engines=engines))
        step("look at the device and the runner")
        fleet = Fleet(targets, order, step)
        for number, request in enumerate(requests):
            files.append(cached_export(request, titled(step, requests, number)))
            warn_quantised(files[-1])
        outcomes = fleet.run(files)
    _show(outcomes, store.root, as_json, wide)
    for each in (left for one in outcomes for left in one.not_stored):
        keep_elsewhere("measurement", each.id, document(each), store.root)
    _exit_for(outcomes)


def _check_tails(requests: Iterable[ExportRequest], tail: str) -> None:
    """Refuse models that have no such tail, before they are exported."""
    from seaformer.bench.tails import check_scope
    from seaformer.models import model_spec

    for request in requests if tail else ():
        check_scope(tail, request.model, model_spec(request.model).task, request.scope)


def _show(outcomes: Sequence[Outcome], root: Path, as_json: bool, wide: bool) -> None:
    _show_measurements([each for one in outcomes for each in one.measured], as_json, wide)
    if not as_json and not any(one.not_stored for one in outcomes):
        next_step(f"seaformer report --results {shlex.quote(str(root))}")
    for one in outcomes:
        _show_codes(one.codes, as_json, wide)
        _show_profiles(one.profiles, one.refused, root, as_json, wide)
        for line in one.blocks:
            notice(line)


def _show_measurements(measured: list[Measurement], as_json: bool, wide: bool) -> None:
    from seaformer.core.measurement import document
    from seaformer.report.renderers.terminal import run_page

    if as_json:
        print_json([document(measurement) for measurement in measured])
        return
    show(run_page(measured), wide)


def _show_codes(codes: Iterable[OperatorCodes], as_json: bool, wide: bool) -> None:
    """What operators executed on an emulated core, as tables on stdout; not beside JSON."""
    from seaformer.report.operator_code import operator_code_page

    for each in () if as_json else codes:
        show(operator_code_page(each), wide)


def _show_profiles(
    profiles: Iterable[Profile], refused: Iterable[str], root: Path, as_json: bool, wide: bool
) -> None:
    """Tables on stdout (not beside JSON); each profile and its trace go to files under ``root``."""
    from seaformer.report.profile import profile_page, write_profile

    for profile in profiles:
        trace = write_profile(profile, root)
        if not as_json:
            show(profile_page(profile), wide)
        notice(f"Trace: {trace} (opens in https://ui.perfetto.dev)")
    for sentence in refused:
        notice(sentence)


def _exit_for(outcomes: Sequence[Outcome]) -> None:
    """Interrupted ends with 130, a device's error with its code, a failed row 4, an invalid 5."""
    from seaformer.core.errors import MeasurementRefused, RunnerFailed

    errors = [(one.device, one.error) for one in outcomes if one.error is not None]
    for name, error in errors:
        notice(f"{name}: {error.message} {error.hint}".rstrip())
    if any(outcome.interrupted for outcome in outcomes):
        notice("Interrupted; what was measured has been stored.")
        raise typer.Exit(INTERRUPTED)
    if errors:
        raise typer.Exit(errors[0][1].exit_code)
    measured = [each for one in outcomes for each in one.measured]
    if any(measurement.failure is not None for measurement in measured):
        raise typer.Exit(RunnerFailed.exit_code)
    if not all(measurement.valid for measurement in measured):
        raise typer.Exit(MeasurementRefused.exit_code)
