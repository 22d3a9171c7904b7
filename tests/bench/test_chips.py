"""Which core ``prime``, ``big`` and ``little`` pin on chips of many makers.

Clusters in the order of their numbers: how many, which core, and its highest clock in GHz, from the
makers' product pages. The last column is what a person who knows the chip would pin.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from seaformer.bench.target import choose_cores
from seaformer.bench.targets.host import find_clusters
from seaformer.core.cpu import list_cores
from seaformer.core.measurement import Cluster
from tests.fakes.measurements import HOST

CHIPS = {
    "Snapdragon 865": ("4 A55 1.80, 3 A77 2.42, 1 A77 2.84", "7 6 3"),
    "Snapdragon 888": ("4 A55 1.80, 3 A78 2.42, 1 X1 2.84", "7 6 3"),
    "Snapdragon 8 Gen 1": ("4 A510 1.79, 3 A710 2.50, 1 X2 3.00", "7 6 3"),
    "Snapdragon 8 Gen 2": ("3 A510 2.02, 2 A715 2.80, 2 A710 2.80, 1 X3 3.19", "7 4 2"),
    "Snapdragon 8 Gen 3": ("2 A520 2.27, 3 A720 3.15, 2 A720 2.96, 1 X4 3.30", "7 4 1"),
    "Snapdragon 8 Elite": ("6 Oryon 3.53, 2 Oryon 4.32", "7 7 5"),
    "Snapdragon 855": (
        "4 Kryo-4xx-Silver 1.79, 3 Kryo-4xx-Gold 2.42, 1 Kryo-4xx-Gold 2.84",
        "7 6 3",
    ),
    "Snapdragon 845": ("4 Kryo-3xx-Silver 1.77, 4 Kryo-3xx-Gold 2.80", "7 7 3"),
    "Snapdragon 765G": (
        "6 Kryo-4xx-Silver 1.80, 1 Kryo-4xx-Gold 2.21, 1 Kryo-4xx-Gold 2.40",
        "7 6 5",
    ),
    "Snapdragon 636": ("4 Kryo-2xx-Silver 1.61, 4 Kryo-2xx-Gold 1.80", "7 7 3"),
    "Snapdragon 636, as a board numbers and clocks it": ("2 A53 1.90, 4 A73 1.80", "5 5 1"),
    "the same, numbered the other way": ("4 A73 1.80, 2 A53 1.90", "3 3 5"),
    "Helio P60 (equal clocks)": ("4 A53 1.99, 4 A73 1.99", "7 7 3"),
    "Helio X20": ("4 A53 1.39, 4 A53 1.85, 2 A72 2.31", "9 7 3"),
    "Helio G99": ("6 A55 2.00, 2 A76 2.20", "7 7 5"),
    "Dimensity 700": ("6 A55 2.00, 2 A76 2.20", "7 7 5"),
    "Dimensity 1200": ("4 A55 2.00, 3 A78 2.60, 1 A78 3.00", "7 6 3"),
    "Dimensity 9000": ("4 A510 1.80, 3 A710 2.85, 1 X2 3.05", "7 6 3"),
    "Dimensity 9300 (no little cores)": ("4 A720 2.00, 3 X4 2.85, 1 X4 3.25", "7 6 3"),
    "Dimensity 9400 (no little cores)": ("4 A720 2.40, 3 X4 3.30, 1 X925 3.62", "7 6 3"),
    "Dimensity 9500 (no little cores)": (
        "4 C1-Pro 2.70, 3 C1-Premium 3.50, 1 C1-Ultra 4.21",
        "7 6 3",
    ),
    "Exynos 9810": ("4 A55 1.79, 4 Exynos-M3 2.70", "7 7 3"),
    "Exynos 990": ("4 A55 2.00, 2 A76 2.50, 2 Exynos-M5 2.73", "7 5 3"),
    "Exynos 2100": ("4 A55 2.20, 3 A78 2.81, 1 X1 2.91", "7 6 3"),
    "Google Tensor": ("4 A55 1.80, 2 A76 2.25, 2 X1 2.80", "7 5 3"),
    "Exynos 2500": ("2 A520 1.80, 5 A725 2.36, 2 A725 2.74, 1 X925 3.30", "9 8 1"),
    "Google Tensor G3": ("4 A510 1.70, 4 A715 2.37, 1 X3 2.91", "8 7 3"),
    "Google Tensor G4": ("4 A520 1.92, 3 A720 2.60, 1 X4 3.10", "7 6 3"),
    "Kirin 970": ("4 A53 1.84, 4 A73 2.36", "7 7 3"),
    "Kirin 990 5G": ("4 A55 1.95, 2 A76 2.36, 2 A76 2.86", "7 5 3"),
    "Kirin 9000": ("4 A55 2.05, 3 A77 2.54, 1 A77 3.13", "7 6 3"),
    "Unisoc T606 (equal clocks)": ("6 A55 1.61, 2 A75 1.61", "7 7 5"),
    "Unisoc SC9863A (one kind of core)": ("4 A55 1.20, 4 A55 1.60", "7 7 3"),
    "RK3399 board": ("4 A53 1.42, 2 A72 1.80", "5 5 3"),
    "Raspberry Pi 5": ("4 A76 2.40", "3 3 3"),
    "Jetson AGX Orin": ("12 A78AE 2.20", "11 11 11"),
    "a board that clocks its small cores higher": ("4 A78AE 1.70, 4 A55 1.90", "3 3 7"),
    "equal clocks, fast cores first": ("4 A720AE 1.90, 4 A520AE 1.90", "3 3 7"),
}
# What is written in the table, by the name that /proc/cpuinfo gives.
NAMES = {
    "Kryo-2xx-Silver": "Kryo 2xx Silver (Cortex-A53)",
    "Kryo-2xx-Gold": "Kryo 2xx Gold (Cortex-A73)",
    "Kryo-3xx-Silver": "Kryo 3xx Silver (Cortex-A55)",
    "Kryo-3xx-Gold": "Kryo 3xx Gold (Cortex-A75)",
    "Kryo-4xx-Silver": "Kryo 4xx Silver (Cortex-A55)",
    "Kryo-4xx-Gold": "Kryo 4xx Gold (Cortex-A76)",
    "Exynos-M3": "Exynos M3",
    "Exynos-M5": "Exynos M5",
    "Kryo": "Kryo",
    "Oryon": "Oryon",
    "C1-Pro": "C1-Pro",
    "C1-Premium": "C1-Premium",
    "C1-Ultra": "C1-Ultra",
}


def clusters_of(text: str, *, clocks: bool = True) -> tuple[Cluster, ...]:
    clusters: list[Cluster] = []
    for item in text.split(", "):
        count, core, ghz = item.split()
        first = sum(len(cluster.cpus) for cluster in clusters)
        cpus = tuple(range(first, first + int(count)))
        khz = round(float(ghz) * 1e6) if clocks else None
        clusters.append(Cluster(cpus, NAMES.get(core, f"Cortex-{core}"), khz))
    return tuple(clusters)


def chosen(clusters: tuple[Cluster, ...]) -> str:
    device = replace(HOST, clusters=clusters, cores=sum(len(each.cpus) for each in clusters))
    cores = [choose_cores(device, core, 1).cpus for core in ("prime", "big", "little")]
    return " ".join(str(cpu) for (cpu,) in cores)


@pytest.mark.parametrize("chip", CHIPS)
def test_the_core_of_a_chip_is_the_one_its_name_means(chip: str) -> None:
    text, expected = CHIPS[chip]
    clusters = clusters_of(text)
    assert {each.part for each in clusters} <= {core.name for core in list_cores()}
    assert chosen(clusters) == expected
    assert chosen(tuple(reversed(clusters))) == expected  # in whatever order they are read


# Device trees of Linux (arch/arm64/boot/dts): the chip, its clusters as the tree numbers them,
# capacity-dmips-mhz of each, what is pinned. Clocks: the tree's own, else the maker's.
DEVICE_TREES = {
    "qcom/sm8150.dtsi": (
        "Snapdragon 855",
        "4 Kryo-4xx-Silver 1.786, 3 Kryo-4xx-Gold 2.419, 1 Kryo-4xx-Gold 2.842",
        (488, 1024, 1024),
        "7 6 3",
    ),
    "qcom/sm8250.dtsi": (
        "Snapdragon 865",
        "4 A55 1.80, 3 A77 2.42, 1 A77 2.84",
        (448, 1024, 1024),
        "7 6 3",
    ),
    "qcom/sm8550.dtsi": (
        "Snapdragon 8 Gen 2",
        "3 A510 2.02, 2 A715 2.80, 2 A710 2.80, 1 X3 3.19",
        (326, 693, 693, 1024),
        "7 4 2",
    ),
    "qcom/sm8650.dtsi": (
        "Snapdragon 8 Gen 3",
        "2 A520 2.27, 3 A720 3.15, 2 A720 2.96, 1 X4 3.30",
        (1024, 1792, 1792, 1894),
        "7 4 1",
    ),
    "qcom/sdm845.dtsi": (
        "Snapdragon 845",
        "4 Kryo-3xx-Silver 1.766, 4 Kryo-3xx-Gold 2.803",
        (611, 1024),
        "7 7 3",
    ),
    "qcom/sdm670.dtsi": (
        "Snapdragon 670",
        "6 Kryo-3xx-Silver 1.709, 2 Kryo-3xx-Gold 1.997",
        (610, 1024),
        "7 7 5",
    ),
    "qcom/msm8998.dtsi": (
        "Snapdragon 835",
        "4 Kryo-2xx-Silver 1.90, 4 Kryo-2xx-Gold 2.457",
        (1024, 1536),
        "7 7 3",
    ),
    "qcom/msm8996.dtsi": ("Snapdragon 820", "2 Kryo 1.594, 2 Kryo 2.150", (1024, 1024), "3 3 1"),
    "qcom/msm8976.dtsi": ("Snapdragon 652", "4 A53 1.402, 4 A72 1.804", (573, 1024), "7 7 3"),
    "qcom/sdm660.dtsi": (
        "Snapdragon 660, fast cores first",
        "4 Kryo-2xx-Gold 2.208, 4 Kryo-2xx-Silver 1.843",
        (1024, 640),
        "3 3 7",
    ),
    "qcom/sdm630.dtsi": (
        "Snapdragon 630, one kind of core, fast ones first",
        "4 A53 2.208, 4 A53 1.843",
        (1126, 1024),
        "3 3 7",
    ),
    "qcom/sdm632.dtsi": (
        "Snapdragon 632, equal clocks",
        "4 Kryo-2xx-Silver 1.804, 4 Kryo-2xx-Gold 1.804",
        (1024, 1980),
        "7 7 3",
    ),
    "qcom/sm6115.dtsi": (
        "Snapdragon 662",
        "4 Kryo-2xx-Silver 1.804, 4 Kryo-2xx-Gold 2.016",
        (1024, 1638),
        "7 7 3",
    ),
    "qcom/sm6350.dtsi": ("Snapdragon 690", "6 A55 1.709, 2 A77 2.074", (1024, 1894), "7 7 5"),
    "qcom/sc7180.dtsi": (
        "Snapdragon 7c",
        "6 Kryo-4xx-Silver 1.805, 2 Kryo-4xx-Gold 2.554",
        (415, 1024),
        "7 7 5",
    ),
    "qcom/kodiak.dtsi": (
        "Snapdragon 7c+ Gen 3",
        "4 A55 2.016, 3 A78 2.611, 1 A78 3.014",
        (1024, 1946, 1985),
        "7 6 3",
    ),
    "qcom/milos.dtsi": (
        "Snapdragon 7s Gen 3",
        "4 A520 1.804, 3 A720 2.400, 1 A720 2.496",
        (1024, 1670, 1670),
        "7 6 3",
    ),
    "qcom/sc8280xp.dtsi": (
        "Snapdragon 8cx Gen 3",
        "4 A78C 2.438, 4 X1C 2.995",
        (981, 1024),
        "7 7 3",
    ),
    "qcom/monaco.dtsi": (
        "Dragonwing QCS8300, little cores last",
        "2 A78C 2.112, 2 A78C 2.362, 4 A55 1.958",
        (1946, 1946, 1024),
        "3 1 7",
    ),
    "exynos/google/gs101.dtsi": (
        "Google Tensor",
        "4 A55 1.803, 2 A76 2.253, 2 X1 2.802",
        (250, 620, 1024),
        "7 5 3",
    ),
    "exynos/exynos2200.dtsi": (
        "Exynos 2200",
        "4 A510 1.824, 3 A710 2.515, 1 X2 2.803",
        (260, 380, 488),
        "7 6 3",
    ),
    "hisilicon/hi3660.dtsi": ("Kirin 960", "4 A53 1.844, 4 A73 2.362", (592, 1024), "7 7 3"),
    "mediatek/mt8173.dtsi": ("MT8173", "2 A53 1.703, 2 A72 2.106", (740, 1024), "3 3 1"),
    "mediatek/mt8183.dtsi": (
        "Helio P60T, equal clocks",
        "4 A53 1.989, 4 A73 1.989",
        (741, 1024),
        "7 7 3",
    ),
    "mediatek/mt8186.dtsi": ("Kompanio 520", "6 A55 2.000, 2 A76 2.050", (382, 1024), "7 7 5"),
    "mediatek/mt8188.dtsi": ("Kompanio 838", "6 A55 2.000, 2 A78 2.600", (282, 1024), "7 7 5"),
    "mediatek/mt8192.dtsi": ("Kompanio 820", "4 A55 1.701, 4 A76 2.171", (427, 1024), "7 7 3"),
    "mediatek/mt8195.dtsi": ("Kompanio 1200", "4 A55 1.701, 4 A78 2.171", (308, 1024), "7 7 3"),
    "amlogic/meson-g12b.dtsi": ("Amlogic S922X", "2 A53 1.896, 4 A73 2.208", (592, 1024), "5 5 1"),
    "rockchip/rk3399-base.dtsi": ("RK3399", "4 A53 1.416, 2 A72 1.800", (485, 1024), "5 5 3"),
    "rockchip/rk3576.dtsi": ("RK3576", "4 A53 2.016, 4 A72 2.208", (485, 1024), "7 7 3"),
    "rockchip/rk3588-base.dtsi": (
        "RK3588",
        "4 A55 1.80, 2 A76 2.40, 2 A76 2.40",
        (530, 1024, 1024),
        "7 5 3",
    ),
}
# There the Cortex-A715 and the Cortex-A710 of one clock differ by their names alone.
ONE_CAPACITY_FOR_TWO_KINDS = {"qcom/sm8550.dtsi"}


def with_capacities(text: str, dmips_mhz: tuple[int, ...]) -> tuple[Cluster, ...]:
    """As the kernel computes them: times the highest clock, 1024 for the fastest cluster."""
    clusters = clusters_of(text)
    raw = [each * (c.max_freq_khz or 0) for each, c in zip(dmips_mhz, clusters, strict=True)]
    pairs = zip(clusters, raw, strict=True)
    return tuple(replace(cluster, capacity=1024 * each // max(raw)) for cluster, each in pairs)


@pytest.mark.parametrize("tree", DEVICE_TREES)
def test_the_capacities_of_a_device_tree_pin_the_same_core_as_the_parts_alone(tree: str) -> None:
    _, text, dmips_mhz, expected = DEVICE_TREES[tree]
    clusters = with_capacities(text, dmips_mhz)
    assert max(cluster.capacity or 0 for cluster in clusters) == 1024
    assert chosen(clusters) == expected
    assert chosen(clusters_of(text)) == expected
    unnamed = tuple(replace(each, part="unknown", max_freq_khz=None) for each in clusters)
    if tree not in ONE_CAPACITY_FOR_TWO_KINDS:
        assert chosen(unnamed) == expected  # capacities are enough


@pytest.mark.parametrize("chip", [chip for chip, (text, _) in CHIPS.items() if "A73" in text])
def test_clocks_that_cannot_be_read_leave_the_kind_of_core(chip: str) -> None:
    text, expected = CHIPS[chip]
    assert chosen(clusters_of(text, clocks=False)) == expected


def test_the_kernels_capacity_comes_first_and_only_where_every_cluster_has_one() -> None:
    slow, fast = Cluster((0, 1), "a", 2_000_000, 592), Cluster((2, 3), "b", 1_800_000, 1024)
    assert chosen((slow, fast)) == "3 3 1"
    assert chosen((replace(slow, capacity=None), fast)) == "1 1 3"
    assert chosen((replace(slow, capacity=1024), fast)) == "1 1 3"


def test_a_core_without_a_row_leaves_the_clocks() -> None:
    unknown = Cluster((0, 1), "unknown core 0x41:0xfff", 3_000_000)
    assert chosen((unknown, Cluster((2, 3), "Cortex-A76", 2_400_000))) == "1 1 3"


def test_every_row_has_a_capacity() -> None:
    assert [core.name for core in list_cores() if core.capacity < 50] == []


def test_the_form_of_a_core_for_cars_is_as_fast_as_the_core() -> None:
    capacities = {core.name: core.capacity for core in list_cores()}
    cars = [name for name in capacities if name.endswith("AE")]
    assert len(cars) > 4
    assert all(capacities[name] == capacities[name.removesuffix("AE")] for name in cars)


def test_an_arm_board_that_is_the_host_is_ranked_as_a_phone_is(tmp_path: Path) -> None:
    """RK3399: the Cortex-A72 after four Cortex-A53, as Linux describes them."""
    blocks = []
    for cpu in range(6):
        folder = tmp_path / f"cpu{cpu}"
        (folder / "cpufreq").mkdir(parents=True)
        khz, capacity, part = (1_800_000, 1024, "0xd08") if cpu > 3 else (1_416_000, 381, "0xd03")
        (folder / "cpufreq" / "cpuinfo_max_freq").write_text(f"{khz}\n")
        (folder / "cpu_capacity").write_text(f"{capacity}\n")
        blocks.append(f"processor\t: {cpu}\nCPU implementer\t: 0x41\nCPU part\t: {part}\n")
    little, big = find_clusters(range(6), "rk3399", tmp_path, "\n".join(blocks))
    assert little == Cluster((0, 1, 2, 3), "Cortex-A53", 1_416_000, 381)
    assert big == Cluster((4, 5), "Cortex-A72", 1_800_000, 1024)
    assert chosen((little, big)) == "5 5 3"
    (pc,) = find_clusters(
        range(2), "A PC", tmp_path / "none", "processor\t: 0\nmodel name\t: A PC\n"
    )
    assert pc == Cluster((0, 1), "A PC")
