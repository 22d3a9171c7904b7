"""Short benches of the scripted runner on a fake phone."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from seaformer.android_bench.connection import ConnectionPolicy, Phone
from seaformer.android_bench.finder import Finder
from seaformer.bench.run import Bench
from seaformer.bench.target import TargetOptions
from seaformer.bench.targets.phone import PhoneTarget
from seaformer.core.artifact import Artifact
from seaformer.core.measurement import Measurement
from seaformer.core.plan import RunPlan, Stop, Warmup
from seaformer.runtime.build.bundle import Bundle
from seaformer.store.results import ResultStore
from tests.fakes.phone import FakePhone

# What a run of ``Workbench`` takes.
SAMPLES = 3
SETTING = ("settings", "get", "global", "stay_on_while_plugged_in")


@dataclass
class BenchTrial:
    """The result of one bench: the rows, the progress messages, and the target."""

    rows: list[Measurement]
    messages: list[str]
    target: PhoneTarget

    @property
    def row(self) -> Measurement:
        (row,) = self.rows
        return row

    def flags(self) -> dict[str, str]:
        """Details by name; several of one name are joined."""
        details: dict[str, str] = {}
        for flag in (flag for row in self.rows for flag in row.flags):
            details[flag.name] = "; ".join(filter(None, (details.get(flag.name), flag.detail)))
        return details


@dataclass
class Workbench:
    """A store, the scripted bundle, the timeouts of a bench, and its adb server, if any."""

    root: Path
    bundle: Bundle
    policy: ConnectionPolicy = ConnectionPolicy(total_s=8, first_s=0.05, longest_s=0.5)
    processes: int = 1
    adb_host: str = ""
    pause: Callable[[float], None] = field(default=lambda seconds: time.sleep(seconds / 4))

    @property
    def store(self) -> ResultStore:
        return ResultStore(self.root)

    @property
    def plan(self) -> RunPlan:
        return RunPlan(processes=self.processes, warmup=Warmup(runs=1), stop=Stop(runs=SAMPLES))

    def target(
        self,
        phone: FakePhone,
        messages: list[str] | None = None,
        *,
        adb_host: str = "",
        resume: bool = False,
        force: bool = False,
    ) -> PhoneTarget:
        adb_host = adb_host or self.adb_host
        finder = Finder(adb_host)
        progress = (messages if messages is not None else []).append
        (device,) = finder.choose(phone.address)
        connection = Phone(finder, device, policy=self.policy, progress=progress, pause=self.pause)
        options = TargetOptions(adb_host=adb_host, resume=resume, force=force)
        return PhoneTarget(connection, self.bundle, options, progress)

    def run(
        self,
        phone: FakePhone,
        *artifacts: Artifact,
        adb_host: str = "",
        resume: bool = False,
        force: bool = False,
    ) -> BenchTrial:
        messages: list[str] = []
        target = self.target(phone, messages, adb_host=adb_host, resume=resume, force=force)
        bench = Bench(target, self.plan, self.store, resume=resume)
        try:
            return BenchTrial(bench.run(artifacts), messages, target)
        finally:
            target.close()


def runs(phone: FakePhone) -> int:
    """How often the scripted runner ran on the phone."""
    path = phone.root / "runs"
    return len(path.read_text().splitlines()) if path.exists() else 0


def left_behind(phone: FakePhone) -> list[str]:
    """The files on the phone beside the cache."""
    home = phone.root / "seaformer"
    kept = ("cache", "bundle")
    return sorted(
        str(path.relative_to(home))
        for path in home.rglob("*")
        if path.relative_to(home).parts[0] not in kept
    )


def parts(phone: FakePhone) -> list[str]:
    """The parts of pushes that did not end."""
    return [path.name for path in (phone.root / "seaformer" / "cache").glob(".part-*")]


def whole(row: Measurement, processes: int = 1) -> bool:
    """Whether a row is valid; asserts every process and sample, the output and the core."""
    run = row.methods["forward"]
    assert row.failure is None, row.failure
    assert [process.count for process in run.processes] == [SAMPLES] * processes
    assert {cpu for process in run.processes for cpu in process.sample_cpus} == {1}
    assert run.output is not None
    assert run.output.passed
    return row.valid


def stored(workbench: Workbench) -> list[Measurement]:
    """The rows of the store, none of them damaged."""
    runs = workbench.store.load()
    assert not runs.damaged
    return list(runs.measurements)


def when_running(phone: FakePhone, act: Callable[[], object]) -> None:
    """Call ``act`` as soon as the scripted runner has begun."""
    deadline = time.monotonic() + 30
    while not runs(phone):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    act()
