"""Checks that a report comes from the bundle that was sent; shared by targets with a bundle."""

from __future__ import annotations

from seaformer.bench.runner_io import RunnerReport
from seaformer.core.errors import RunnerFailed
from seaformer.runtime.build.bundle import Bundle
from seaformer.runtime.build.engines import public_version


def check_bundle(report: RunnerReport, bundle: Bundle) -> RunnerReport:
    """The report. Raises ``RunnerFailed`` when its engine or runner is not the bundle's."""
    manifest = bundle.manifest
    name, version = report.engine.name, public_version(report.engine.version)
    bundled = manifest.engine(name)
    # The manifest has no version of an engine that was built by hand, or of our own.
    is_same = bundled is not None and bundled.version in (None, version)
    if not is_same or report.runner.build_id != manifest.build_id:
        expected = bundled.version if bundled else "(not in the bundle)"
        raise RunnerFailed(
            f"The bundle is of another version: expected {name} {expected} in build "
            f"{manifest.build_id}, got {version} in build {report.runner.build_id}.",
            hint="Make it again: seaformer runner build --target arm64",
        )
    return report
