"""A job that is started and left alone at once."""

from __future__ import annotations

import pytest

from seaformer.android_bench.finder import Finder
from seaformer.android_bench.job import _START, JOB
from seaformer.android_bench.place import ANDROID
from seaformer.core.errors import DeviceLost
from tests.android_bench.commands import wait_for
from tests.fakes.phone import FakePhone


def slow_setsid(phone: FakePhone) -> None:
    """Make ``setsid`` take effect after a second, in which the cable is pulled."""
    tool, real = phone.base / "system/bin/setsid", phone.base / "mnt/fake/setsid"
    tool.rename(real)
    tool.write_text(f'#!/bin/sh\nsleep 1\nexec "{real}" "$@"\n')
    tool.chmod(0o755)


def test_a_cable_pulled_right_after_the_start_does_not_hang_up_the_job() -> None:
    with FakePhone("old") as phone:
        slow_setsid(phone)
        finder = Finder()
        (device,) = finder.choose(phone.address)
        transport = finder.open(device)
        phone.set_fault("drop", command="setsid nohup", after_s=0.5)
        ran = "/data/local/tmp/ran"
        folder, lock = f"{ANDROID.jobs}/bench/key", ANDROID.lock
        start = ["sh", "-c", _START, "sh", folder, JOB, "-", lock, "touch", ran]
        with pytest.raises(DeviceLost):
            transport.shell(start, 20)
        assert phone.fired == ["drop"]
        assert not (phone.root / "ran").exists()
        wait_for((phone.root / "ran").exists)
        wait_for((phone.root / "seaformer/jobs/bench/key/done").exists)
        assert (phone.root / "seaformer/jobs/bench/key/done").read_text().startswith("0 ")
