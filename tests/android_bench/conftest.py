"""A fake phone, the scripted runner, and an environment without the user's own adb."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from seaformer.core import files
from seaformer.core.artifact import Artifact
from seaformer.runtime.build.bundle import Bundle
from tests.android_bench.benches import Workbench
from tests.android_bench.commands import end_all
from tests.fakes.phone import FakePhone
from tests.fakes.scripted import scripted_artifact, scripted_bundle


@pytest.fixture(autouse=True)
def _no_adb_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No server listens at port 1; keys are created in a home of the test's own."""
    for name in ("ADB_SERVER_SOCKET", "ANDROID_ADB_SERVER_ADDRESS", "ANDROID_SERIAL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", "1")
    monkeypatch.setenv("SEAFORMER_CACHE", str(files.cache_dir()))  # the bundle stays where it is
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


@pytest.fixture(autouse=True)
def _no_command_is_left() -> Iterator[None]:
    yield
    end_all()


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return scripted_bundle(tmp_path_factory.mktemp("scripted"))


@pytest.fixture
def workbench(tmp_path: Path, bundle: Bundle) -> Workbench:
    return Workbench(tmp_path / "results", bundle)


@pytest.fixture
def artifact(tmp_path: Path) -> Artifact:
    return scripted_artifact(tmp_path / "artifacts")


@pytest.fixture
def slow(tmp_path: Path) -> Artifact:
    """A model whose run takes a second, in which a fault can strike."""
    return scripted_artifact(tmp_path / "artifacts", "slow", seconds=1.0)


@pytest.fixture
def phone() -> Iterator[FakePhone]:
    with FakePhone("two-core") as double:
        yield double
