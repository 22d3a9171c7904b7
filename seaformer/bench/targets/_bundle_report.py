"""Whether a report comes from the bundle that was sent, shared by the targets that run one."""

from __future__ import annotations

from seaformer.bench.runner_io import RunnerReport
from seaformer.core.errors import RunnerFailed
from seaformer.runtime.build.arm64_wheels import public_version
from seaformer.runtime.build.bundle import Bundle


def check_bundle(report: RunnerReport, bundle: Bundle) -> RunnerReport:
    """The report, unless another engine or runner answered than the bundle says it holds."""
    made = bundle.manifest
    told = public_version(report.engine.version)
    expected = {
        "executorch": made.executorch_version,
        "onnxruntime": made.onnxruntime_version,
    }.get(report.engine.name)
    if told != expected or report.runner.build_id != made.build_id:
        raise RunnerFailed(
            f"The bundle is of another version: expected {report.engine.name} {expected} in build "
            f"{made.build_id}, seen {told} in build {report.runner.build_id}.",
            hint="Make it again: seaformer runner build --target arm64",
        )
    return report
