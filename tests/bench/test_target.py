"""Which cores a plan means on machines of several kinds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from seaformer.bench.target import choose_cores, open_target
from seaformer.core.errors import UnknownName, UsageError
from seaformer.core.measurement import Cluster
from tests.fakes.measurements import HOST

# A Snapdragon 865, its clusters told in no order.
PHONE = replace(
    HOST,
    cores=8,
    clusters=(
        Cluster((7,), "Cortex-A77 prime", 2_841_600),
        Cluster((0, 1, 2, 3), "Cortex-A55", 1_804_800),
        Cluster((4, 5, 6), "Cortex-A77", 2_419_200),
    ),
)
UNTOLD = replace(HOST, cores=4, clusters=(Cluster((0, 1, 2, 3), "a virtual CPU"),))


@pytest.mark.parametrize(
    ("core", "threads", "cpus"),
    [
        ("prime", 1, (7,)),
        ("big", 1, (6,)),
        ("big", 3, (4, 5, 6)),
        ("little", 1, (3,)),
        ("little", 4, (0, 1, 2, 3)),
        ("5", 1, (5,)),
        ("5", 2, (5, 6)),
        ("0", 1, (0,)),
        ("4-7", 4, (4, 5, 6, 7)),
        ("0,7", 2, (0, 7)),
    ],
)
def test_a_core_is_chosen_by_kind_or_number(core: str, threads: int, cpus: tuple[int, ...]) -> None:
    assert choose_cores(PHONE, core, threads).cpus == cpus


@pytest.mark.parametrize("core", ["prime", "big", "little"])
def test_a_machine_with_one_kind_of_core_serves_every_name(core: str) -> None:
    assert choose_cores(UNTOLD, core, 1).cpus == (3,)


@pytest.mark.parametrize(
    ("core", "threads", "sentence"),
    [
        ("8", 1, r"--core must be 0 to 7 on Example CPU 9 \(got 8\)\."),
        ("prime", 2, "--threads 2 does not fit on 1 core"),
        ("6", 2, "--threads 2 does not fit on 1 core"),
        ("4-7", 1, r"--core 4-7 has 4 cores for --threads 1\."),
        ("4-9", 6, r"Example CPU 9 has no core 8 to use \(it has 0-7\)"),
        ("7-4", 4, r"--core must be a list like 4-7 or 0,4 \(got '7-4'\)"),
        ("0;1", 2, "--core must be a list"),
        ("fast", 1, "must be prime, big, little, a core number or a list"),
        ("-1", 1, "must be prime, big, little, a core number or a list"),
        ("", 1, "must be prime, big, little, a core number or a list"),
    ],
)
def test_a_core_that_is_not_there_is_refused(core: str, threads: int, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence) as refused:
        choose_cores(PHONE, core, threads)
    hint = refused.value.hint
    assert "--threads" not in hint or f"--threads {threads} " in hint


def test_an_unknown_device_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match="Unknown device 'hots'") as caught:
        open_target("hots")
    assert caught.value.hint == "Did you mean host?"
