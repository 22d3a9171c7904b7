"""The doctor, asked about machines that do not exist."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from seaformer.bench.doctor import Check, diagnose, exit_code, next_line, page
from seaformer.bench.machine import Machine
from seaformer.core.errors import SeaFormerError
from seaformer.report.terminal import plain

CPUINFO = "processor\t: 0\nmodel name\t: Example CPU 9\ncpu MHz\t\t: 2596.128\n"
CPUFREQ = "/sys/devices/system/cpu/cpu{}/cpufreq/{}"
COMPLETE = {
    "/proc/cpuinfo": CPUINFO,
    "/proc/meminfo": "MemTotal: 9 kB\nMemAvailable:    8000000 kB\n",
    **{CPUFREQ.format(core, "scaling_governor"): "performance" for core in (0, 1)},
    CPUFREQ.format(1, "scaling_cur_freq"): "2840000",
    CPUFREQ.format(1, "cpuinfo_max_freq"): "2840000",
}
PACKAGES = {
    "torch": "2.13.0+cpu",
    "onnx": "1.23.2",
    "onnxruntime": "1.31.1",
    "onnxsim": "0.8.1",
    "executorch": "1.5.1",
    "coremltools": "9.0",
    "ncnn": "1.0.20261020",
    "pnnx": "20261020",
    "ai-edge-litert": "2.3.0",
    "litert-torch": "0.10.0",
}
PROGRAMS = {
    "c++": "c++ (Debian) 12.2.0",
    "cmake": "cmake version 4.4.4",
    "make": "GNU Make 4.3",
    "cc": "cc (Debian) 12.2.0",
    "aarch64-linux-gnu-g++": "aarch64-linux-gnu-g++ 12.2.0",
    "adb": "Android Debug Bridge version 1.0.41",
    "qemu-aarch64": "qemu-aarch64 version 7.2",
}


@dataclass
class Pretend(Machine):
    """A machine that has what it is told it has."""

    packages: dict[str, str] = field(default_factory=lambda: dict(PACKAGES))
    programs: dict[str, str] = field(default_factory=lambda: dict(PROGRAMS))
    texts: dict[str, str] = field(default_factory=lambda: dict(COMPLETE))
    busy: float = 0.05
    free: int = 50_000_000_000
    refused: str = ""
    runner: str | SeaFormerError | None = "/cache/runner (executorch, onnxruntime)"
    bundle: tuple[Path, int] | SeaFormerError | None = (Path("/cache/bundle/0a"), 65536)
    fetched: str = ""
    built: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def package(self, name: str) -> str | None:
        return self.packages.get(name)

    def pinned(self, name: str) -> str | None:
        return {"torch": "2.13.0", "executorch": "1.5.1"}.get(name)

    def program(self, name: str) -> Path | None:
        return Path("/bin") / name if name in self.programs else None

    def first_line(self, *command: str) -> str:
        return self.programs[Path(command[0]).name]

    def text(self, path: Path) -> str | None:
        return self.texts.get(str(path))

    def cores(self) -> tuple[int, ...]:
        return (0, 1)

    def load(self) -> float:
        return self.busy

    def free_bytes(self, folder: Path) -> int:
        return self.free

    def writable(self, folder: Path) -> str:
        return self.refused

    def fetched_engines(self) -> str:
        return self.fetched

    def arm64_bundle(self) -> tuple[Path, int] | None:
        if isinstance(self.bundle, SeaFormerError):
            raise self.bundle
        return self.bundle

    def libraries(self, target: str) -> tuple[str, ...]:
        return self.built.get(target, ())

    def host_runner(self) -> str | None:
        if isinstance(self.runner, SeaFormerError):
            raise self.runner
        return self.runner


@pytest.fixture(autouse=True)
def no_compiler_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CXX", raising=False)


def lines(checks: Iterable[Check]) -> list[str]:
    return plain(page(tuple(checks))).splitlines()


def found(machine: Machine, name: str) -> Check:
    return next(check for check in diagnose(machine) if check.name == name)


def test_a_complete_machine_has_nothing_to_remedy() -> None:
    checks = diagnose(Pretend())
    assert {check.status for check in checks} == {"ok"}
    assert exit_code(checks) == 0
    assert lines(checks)[-1] == "Exports and a host bench are possible."
    assert next_line(checks) == "seaformer bench --variant t --threads 1"


@pytest.mark.parametrize(
    ("built", "text"),
    [
        ({}, "not built yet; the first bench of an ncnn network builds it (10 min of one core)"),
        ({"host": ("ncnn",), "arm64": ("ncnn",)}, "built for host and arm64"),
        (
            {"host": ("ncnn",)},
            "built for host; for another target the first bench of an ncnn network builds it "
            "(10 min of one core)",
        ),
    ],
)
def test_a_library_that_is_built_from_source_is_reported_by_target(
    built: dict[str, tuple[str, ...]], text: str
) -> None:
    check = found(Pretend(built=built), "ncnn library")
    assert (check.status, check.detail) == ("ok", text)


def test_a_bare_machine_names_what_installs_each_thing() -> None:
    checks = diagnose(Pretend({}, {}, {}, runner=None))
    remedies = {check.name: check.remedy for check in checks if check.status != "ok"}
    assert remedies["torch"] == "pip install 'seaformer[export]'"
    assert remedies["coremltools"] == "pip install 'seaformer[coreml]'"
    assert remedies["C++ compiler"] == "sudo apt-get install g++"
    assert remedies["cmake"] == "pip install 'cmake>=3.28'"
    assert remedies["adb"] == "sudo apt-get install adb"
    assert remedies["C compiler for counts"] == "sudo apt-get install gcc libc6-dev"
    assert remedies["aarch64 compiler"] == "sudo apt-get install g++-aarch64-linux-gnu"
    assert remedies["qemu"] == "sudo apt-get install qemu-user"
    assert remedies["C++ runner"] == "seaformer runner build"
    assert all(check.remedy for check in checks if check.status == "missing")


def test_only_what_a_host_bench_needs_decides_the_exit_code() -> None:
    without_tools = diagnose(Pretend(programs={}, texts={}, runner=None, busy=9.0))
    assert exit_code(without_tools) == 0
    without_runtime = diagnose(Pretend(packages={"torch": "2.13.0"}))
    assert exit_code(without_runtime) == 2
    assert lines(without_runtime)[-1] == "A host bench is not possible yet: a runtime."
    assert exit_code(diagnose(Pretend(refused="/ cannot be written to"))) == 2


def test_without_torch_the_next_line_is_what_installs_it_and_not_a_bench_that_fails() -> None:
    checks = diagnose(Pretend(packages={"pip": "26.0"}, fetched="executorch 1.5.1"))
    assert exit_code(checks) == 0
    assert lines(checks)[-1] == (
        "A host bench of exported files is possible. An export needs torch."
    )
    assert next_line(checks) == "pip install 'seaformer[export]'"


def test_without_a_runtime_the_next_line_is_what_brings_one() -> None:
    checks = diagnose(Pretend(packages={"torch": "2.13.0"}))
    assert next_line(checks) == "pip install 'seaformer[export]'"
    refused = diagnose(Pretend(refused="/ cannot be written to"))
    assert next_line(refused).startswith("export SEAFORMER_CACHE=")


def test_one_runtime_is_enough() -> None:
    check = found(Pretend(packages={"onnxruntime": "1.31.1"}), "a runtime")
    assert (check.status, check.detail) == ("ok", "onnxruntime")


def test_without_a_runtime_the_first_bench_fetches_one_if_pip_is_there() -> None:
    check = found(Pretend(packages={"pip": "26.0"}), "a runtime")
    assert (check.status, check.remedy) == ("warning", "seaformer runner build")
    assert exit_code(diagnose(Pretend(packages={"pip": "26.0"}))) == 0
    check = found(Pretend(packages={}, fetched="executorch 1.5.1"), "a runtime")
    assert (check.status, check.detail) == ("ok", "fetched: executorch 1.5.1")


def test_a_version_that_seaformer_is_not_made_for_is_a_warning() -> None:
    check = found(Pretend(packages=PACKAGES | {"executorch": "1.0.0"}), "executorch")
    assert (check.status, check.remedy) == ("warning", "pip install executorch==1.5.1")


@pytest.mark.parametrize(
    ("told", "status"),
    [
        ("cmake version 3.28.0", "ok"),
        ("cmake version 4.0.0-rc1", "ok"),
        ("cmake version 3.27.9", "missing"),
        ("cmake version 3.5.1", "missing"),
        ("", "warning"),
    ],
)
def test_a_cmake_that_is_too_old_counts_as_missing(told: str, status: str) -> None:
    assert found(Pretend(programs={"cmake": told}), "cmake").status == status


def test_a_machine_without_a_compiler_can_still_bench_in_python() -> None:
    check = found(Pretend(programs={}), "C++ compiler")
    assert check.status == "warning"
    assert "falls back to Python" in check.detail


def test_a_program_under_its_other_name_is_found() -> None:
    programs = {"clang++": "clang 17", "clang": "clang 17"}
    assert found(Pretend(programs=programs), "C++ compiler").detail == "clang 17"
    assert found(Pretend(programs=programs), "C compiler for counts").detail == "clang 17"


def test_an_emulator_that_takes_no_plugin_is_not_the_one_that_is_needed() -> None:
    check = found(Pretend(programs={"qemu-aarch64-static": "qemu 7.2"}), "qemu")
    assert (check.status, check.remedy) == ("missing", "sudo apt-get install qemu-user")


def test_an_emulator_that_is_too_new_to_count_is_a_warning() -> None:
    check = found(Pretend(programs={"qemu-aarch64": "qemu-aarch64 version 10.0.2"}), "qemu")
    assert check.status == "warning"
    assert "qemu 4.2 to 8.2" in check.detail


def test_the_cores_that_can_be_emulated_are_listed_with_what_they_lack() -> None:
    told = found(Pretend(), "emulated cores").detail
    assert told.startswith("cortex-a76 by default; --device emulator:NAME takes cortex-a76, ")
    assert "cortex-a72 (no fp16)" in told


def test_a_governor_that_saves_power_is_a_warning_with_the_line_that_changes_it() -> None:
    texts = COMPLETE | {CPUFREQ.format(1, "scaling_governor"): "powersave"}
    check = found(Pretend(texts=texts), "governor")
    assert (check.status, check.detail) == ("warning", "performance, powersave")
    assert check.remedy.startswith("echo performance | sudo tee")


def test_a_kernel_that_does_not_tell_is_said_so() -> None:
    assert "does not report it" in found(Pretend(texts={}), "governor").detail
    assert "does not report it" in found(Pretend(texts={}), "free memory").detail
    assert found(Pretend(texts={"/proc/cpuinfo": CPUINFO}), "frequency").detail == (
        "2596 MHz by /proc/cpuinfo"
    )


def test_a_busy_machine_and_little_space_are_warnings() -> None:
    machine = Pretend(busy=1.5, free=10, texts={"/proc/meminfo": "MemAvailable: 1000 kB"})
    for name in ("load", "cache folder", "results folder", "free memory"):
        assert found(machine, name).status == "warning", name


def test_a_runner_that_cannot_be_looked_for_is_no_crash() -> None:
    check = found(Pretend(runner=SeaFormerError("the sources are gone")), "C++ runner")
    assert check.status == "warning"
    assert "the sources are gone" in check.detail
    assert "not built yet" in found(Pretend(runner=None), "C++ runner").detail


def test_a_line_has_a_mark_a_name_and_what_was_found_with_the_remedy_under_it() -> None:
    checks = (Check("adb", "missing", "adb not found", "sudo apt-get install adb"),)
    assert lines(checks)[:2] == [
        "-[x] adb  adb not found",
        "          sudo apt-get install adb",
    ]
    assert lines((Check("adb", "ok", "1.0.41", "unused"),))[0] == "-[✓] adb  1.0.41"


def test_this_machine_is_described_without_an_error_and_without_making_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEAFORMER_RESULTS", str(tmp_path / "a" / "results"))
    monkeypatch.setenv("SEAFORMER_CACHE", str(tmp_path / "a" / "cache"))
    checks = diagnose()
    assert len(checks) > 15
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_a_file_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "cannot be written to" in Machine().writable(tmp_path / "file" / "results")
    assert Machine().writable(tmp_path / "new" / "results") == ""
    assert Machine().free_bytes(tmp_path / "new" / "results") > 0


def test_a_program_that_is_absent_or_fails_has_no_first_line() -> None:
    assert Machine().first_line("a-program-nobody-has") == ""
    assert Machine().first_line(sys.executable, "-c", "raise SystemExit(1)") == ""
    assert Machine().first_line(sys.executable, "-c", "print('one'); print('two')") == "one"


def test_the_doctor_imports_none_of_the_packages_it_looks_for() -> None:
    code = (
        "import sys; from seaformer.bench import doctor; doctor.diagnose();"
        f"sys.exit(any(name in sys.modules for name in {tuple(PACKAGES)}))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_largest_page_that_the_bundle_loads_on_is_shown() -> None:
    assert (
        found(Pretend(), "ARM bundle").detail == "/cache/bundle/0a, aligned for pages up to 64 KB"
    )
    small = SeaFormerError("libx.so must be linked for pages of 16 KB or more (got 4 KB).")
    assert found(Pretend(bundle=small), "ARM bundle").status == "warning"
    assert "got 4 KB" in found(Pretend(bundle=small), "ARM bundle").detail
    missing = found(Pretend(bundle=None), "ARM bundle")
    assert missing.remedy == "seaformer runner build --target arm64"
    assert not missing.needed
