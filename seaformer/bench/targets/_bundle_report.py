"""Whether a report comes from the bundle that was sent, shared by the targets that run one."""

from __future__ import annotations

from seaformer.bench.runner_io import RunnerReport
from seaformer.core.errors import RunnerFailed
from seaformer.runtime.build.bundle import Bundle
from seaformer.runtime.build.engines import public_version


def check_bundle(report: RunnerReport, bundle: Bundle) -> RunnerReport:
    """The report, unless another engine or runner answered than the bundle says it holds."""
    made = bundle.manifest
    name, version = report.engine.name, public_version(report.engine.version)
    bundled = made.engine(name)
    # An engine that the manifest does not know the version of was built by hand or is our own.
    is_same = bundled is not None and bundled.version in (None, version)
    if not is_same or report.runner.build_id != made.build_id:
        expected = bundled.version if bundled else "(not in the bundle)"
        raise RunnerFailed(
            f"The bundle is of another version: expected {name} {expected} in build "
            f"{made.build_id}, seen {version} in build {report.runner.build_id}.",
            hint="Make it again: seaformer runner build --target arm64",
        )
    return report
