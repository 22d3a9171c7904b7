"""Cores, clusters and chips from the text output of phones."""

from __future__ import annotations

import pytest

from seaformer.android_bench import parse, topology
from seaformer.core.cpu import core_name
from seaformer.core.errors import DeviceError
from seaformer.core.measurement import Cluster
from tests.android_bench.test_parse import PHONES, text, with_cr


def clusters(phone: str) -> tuple[Cluster, ...]:
    values = parse.parse_values(text(phone, "cpufreq"))
    return topology.find_clusters(
        topology.parse_cpuinfo(text(phone, "cpuinfo")), topology.parse_frequencies(values)
    )


def soc(phone: str) -> topology.Soc:
    row = topology.identify(parse.parse_getprop(text(phone, "getprop")), clusters(phone))
    assert row is not None
    return row


def test_a_snapdragon_865_has_its_prime_core_at_cpu7() -> None:
    seen = clusters("mi10_android11")
    assert seen == (
        Cluster((0, 1, 2, 3), "Kryo 4xx Silver (Cortex-A55)", 1804800),
        Cluster((4, 5, 6), "Cortex-A77", 2419200),
        Cluster((7,), "Cortex-A77", 2841600),
    )
    assert topology.surprises(soc("mi10_android11"), seen) == ()


@pytest.mark.parametrize(
    ("phone", "title", "biggest"),
    [
        ("mi10_android11", "Snapdragon 865 (SM8250, kona)", "Cortex-A77"),
        ("mi10_android12", "Snapdragon 865 (SM8250, kona)", "Cortex-A77"),
        ("pixel6_android14", "Google Tensor (Tensor, gs101)", "Cortex-X1"),
        ("galaxys20_android12", "Exynos 990 (Exynos 990, universal990)", "Exynos M5"),
        ("nexus5x_android8", "Snapdragon 808 (MSM8992, msm8992)", "Cortex-A57"),
    ],
)
def test_every_phone_of_the_fixtures_is_identified(phone: str, title: str, biggest: str) -> None:
    properties = parse.parse_getprop(text(phone, "getprop"))
    assert topology.soc_title(properties, soc(phone)) == title
    fastest = max(clusters(phone), key=lambda cluster: cluster.max_freq_khz or 0)
    assert fastest.part == biggest


@pytest.mark.parametrize(
    ("khz", "name"),
    [(2841600, "Snapdragon 865"), (3091200, "Snapdragon 865+"), (3187200, "Snapdragon 870")],
)
def test_chips_of_one_platform_are_distinguished_by_their_fastest_core(khz: int, name: str) -> None:
    row = topology.identify({"ro.board.platform": "kona"}, (Cluster((7,), "Cortex-A77", khz),))
    assert row is not None
    assert row.name == name


def test_a_core_that_is_offline_is_missed_by_name() -> None:
    (sentence,) = topology.surprises(soc("mi10_android12"), clusters("mi10_android12"))
    assert "1 Cortex-A77 at 2.84 GHz; online:" in sentence


def test_an_unknown_chip_is_what_the_phone_calls_it() -> None:
    properties = {"ro.board.platform": "taro"}
    assert topology.identify(properties, ()) is None
    assert topology.soc_title(properties, None) == "taro"
    assert topology.soc_title({}, None) == "unknown"


def test_an_unknown_core_keeps_its_numbers() -> None:
    assert core_name("0x41", "0xfff") == "unknown core 0x41:0xfff"
    assert core_name("", "") == "unknown core"


@pytest.mark.parametrize("phone", PHONES)
def test_frequencies_are_read_for_every_core_listed(phone: str) -> None:
    frequencies = topology.parse_frequencies(parse.parse_values(text(phone, "cpufreq")))
    for cpu, frequency in frequencies.items():
        assert cpu in frequency.related
        assert frequency.governor
        assert 300000 <= (frequency.hardware_max_khz or 0) <= 3_200_000
    assert {c.number for c in topology.parse_cpuinfo(text(phone, "cpuinfo"))} <= set(frequencies)


def test_a_frequency_that_may_not_be_read_is_none() -> None:
    values = parse.parse_values(text("nexus5x_android8", "cpufreq"))
    assert topology.parse_frequencies(values)[5].now_khz is None


def test_cores_without_cpufreq_still_make_clusters() -> None:
    processors = topology.parse_cpuinfo(text("mi10_android11", "cpuinfo"))
    assert topology.find_clusters(processors, {}) == (
        Cluster((0, 1, 2, 3), "Kryo 4xx Silver (Cortex-A55)"),
        Cluster((4, 5, 6, 7), "Cortex-A77"),
    )


def test_an_old_kernel_that_gives_the_part_once_gives_it_for_all_cores() -> None:
    cpuinfo = (
        "Processor\t: AArch64 Processor rev 3\nprocessor\t: 0\nprocessor\t: 1\n"
        "Features\t: fp asimd\nCPU implementer\t: 0x41\nCPU part\t: 0xd03\nHardware\t: X\n"
    )
    processors = topology.parse_cpuinfo(cpuinfo)
    assert [processor.core for processor in processors] == ["Cortex-A53", "Cortex-A53"]


def test_cpuinfo_with_cr_is_the_same() -> None:
    cpuinfo = text("mi10_android11", "cpuinfo")
    assert topology.parse_cpuinfo(with_cr(cpuinfo)) == topology.parse_cpuinfo(cpuinfo)


@pytest.mark.parametrize(
    "output",
    ["", "cat: /proc/cpuinfo: Permission denied\n", "processor\t: 0\nprocessor\t: 0\n"],
    ids=["empty", "refused", "doubled"],
)
def test_cpuinfo_corrupted_is_an_error(output: str) -> None:
    with pytest.raises(DeviceError, match=r"/proc/cpuinfo cannot be read"):
        topology.parse_cpuinfo(output)


@pytest.mark.parametrize(
    ("output", "cpus"),
    [
        ("0-3,6\n", (0, 1, 2, 3, 6)),
        ("0 1 2 3", (0, 1, 2, 3)),
        ("\n", ()),
        ("7", (7,)),
    ],
)
def test_a_list_of_cores_is_read(output: str, cpus: tuple[int, ...]) -> None:
    assert topology.parse_cpu_list(output) == cpus


def test_a_list_of_cores_corrupted_is_an_error() -> None:
    for output in ("0-", "a", "0-99999999"):
        with pytest.raises(DeviceError, match="list of cores"):
            topology.parse_cpu_list(output)


def test_a_core_under_its_makers_name_or_arms_is_the_same() -> None:
    """A Snapdragon 865 calls its Cortex-A55 cores 0x51:0x805, other kernels 0x41:0xd05."""
    little, *others = clusters("mi10_android11")
    assert little.part == core_name("0x51", "0x805")
    renamed = Cluster(little.cpus, core_name("0x41", "0xd05"), little.max_freq_khz)
    for first in (little, renamed):
        assert topology.surprises(soc("mi10_android11"), (first, *others)) == ()
