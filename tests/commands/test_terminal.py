"""Tables in a real terminal of 80, 100 and 160 columns, and in a pipe."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from seaformer.store.results import ResultStore
from tests.commands.program import Done, seaformer
from tests.commands.terminal import Screen, on_terminal
from tests.fakes.measurements import OFF_CORE, emulated, failed, measurement, method

WIDTHS = (80, 100, 160)
LONG = "seaformer_t_attention_mixformer.ade20k"
PARTS = {
    "forward": method(38.0),
    "stem": method(14.0),
    "context": method(12.0),
    "spatial": method(4.0),
    "head": method(6.0),
}
MADE = (
    measurement(1),
    measurement(2, format="onnx", runtime="onnxruntime", runtime_version="1.31.0"),
    measurement(3, model="seaformerpp_t_kd.ade20k", input_shape=(1, 3, 512, 1024), methods=PARTS),
    measurement(4, model=LONG, flags=(OFF_CORE,)),
    emulated(5),
    emulated(6, model=LONG, precision="fp16"),
    failed(7),
)
TABLES = (
    ("models", "seaformer_t"),
    ("results", "list"),
    ("results", "show", MADE[0].id),
    ("results", "show", MADE[4].id),
    ("report",),
    ("compare", "results", "worse", "--no-gate"),
    ("reproduce", "table2", "--dry-run"),
    ("doctor",),
)


class Screens:
    """The same command at the same width is run once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._at: dict[tuple[object, ...], Screen] = {}
        self._piped: dict[tuple[object, ...], Done] = {}

    def at(self, columns: int, *arguments: str) -> Screen:
        key = (columns, *arguments)
        if key not in self._at:
            self._at[key] = on_terminal(
                *arguments, columns=columns, cwd=self.folder, SEAFORMER_CACHE="cache"
            )
        return self._at[key]

    def piped(self, *arguments: str) -> Done:
        if arguments not in self._piped:
            self._piped[arguments] = seaformer(*arguments, cwd=self.folder, SEAFORMER_CACHE="cache")
        return self._piped[arguments]


@pytest.fixture(scope="module")
def screens(tmp_path_factory: pytest.TempPathFactory) -> Screens:
    """Two stores: ``results``, and ``worse`` with one row that is slower."""
    folder = tmp_path_factory.mktemp("t")
    for one in MADE:
        ResultStore(folder / "results").append(one)
    ResultStore(folder / "worse").append(measurement(9, methods={"forward": method(25.0)}))
    ResultStore(folder / "worse").append(MADE[2])
    return Screens(folder)


def words_of(text: str) -> set[str]:
    return set(text.split())


@pytest.mark.parametrize("columns", WIDTHS)
@pytest.mark.parametrize("arguments", TABLES, ids=" ".join)
def test_no_line_is_longer_than_the_terminal(
    screens: Screens, arguments: tuple[str, ...], columns: int
) -> None:
    screen = screens.at(columns, *arguments)
    assert screen.code in (0, 2), screen.text
    assert "Error" not in screen.text
    # A word alone may be a path, and a command to copy is not broken either.
    whole = [
        line for line in screen.lines if len(line.split()) > 1 and not line.startswith("Next: ")
    ]
    assert max(map(len, whole)) <= columns, screen.text
    assert "…" not in screen.text


@pytest.mark.parametrize("columns", WIDTHS)
@pytest.mark.parametrize("arguments", TABLES[:2], ids=" ".join)
def test_a_row_is_in_one_line_with_its_name_whole(
    screens: Screens, arguments: tuple[str, ...], columns: int
) -> None:
    screen = screens.at(columns, *arguments)
    piped = screens.piped(*arguments)
    rows = [line.split() for line in piped.out.splitlines()]
    names = [word for row in rows for word in row[:2] if word.startswith("seaformer")]
    assert names
    for name in names:
        assert [line for line in screen.lines if name in line.split()], name


@pytest.mark.parametrize("arguments", TABLES, ids=" ".join)
def test_wide_prints_in_a_terminal_what_a_pipe_gets(
    screens: Screens, arguments: tuple[str, ...]
) -> None:
    if arguments == ("doctor",):
        pytest.skip("doctor prints no table")
    piped = screens.piped(*arguments)
    screen = screens.at(80, *arguments, "--wide")
    printed = [line.rstrip() for line in piped.out.splitlines()]
    assert [line.rstrip() for line in screen.lines[: len(printed)]] == printed
    assert "Left out" not in piped.out


@pytest.mark.parametrize("columns", WIDTHS)
def test_figures_of_a_row_are_in_its_line_and_the_rest_is_named(
    screens: Screens, columns: int
) -> None:
    screen = screens.at(columns, "report")
    measured, counted = (line for line in screen.lines if line.startswith(f"{LONG} "))
    assert measured.split()[1] == "512x512"
    assert any(word.startswith(("19.", "20.")) for word in measured.split())
    figures = screen.lines[screen.lines.index(counted) : screen.lines.index(counted) + 2]
    assert "264.73" in " ".join(figures)  # in its line, or the second one where it takes two
    hint = screen.text.partition("Left out: ")[2].partition("--wide prints everything.")[0]
    for name in ("p90", "p99"):
        assert (name in words_of(screen.text.partition("Left out")[0])) != (f"{name}," in hint)


def test_a_pipe_gets_every_column_in_one_line_of_each_row(screens: Screens) -> None:
    text = screens.piped("report").out
    (heading,) = [line for line in text.splitlines() if "95 % interval" in line]
    (row,) = [line for line in text.splitlines() if line.startswith(LONG) and "║" in line]
    for name in ("model", "HxW", "runtime", "precision", "scope", "valid"):
        assert name in text
    assert "no: pinning_broken" in row
    assert len(row.split("║")[0].split()) == 16
    assert heading.index("median") < heading.index("95 %")


def test_an_id_that_is_short_at_80_columns_is_found_when_it_is_typed(screens: Screens) -> None:
    screen = screens.at(80, "results", "list")
    lines = [line for line in screen.lines if any(one.model in line.split() for one in MADE)]
    ids = [line.split()[0] for line in lines]
    newest_first = [one.id for one in reversed(MADE)]
    assert [whole.rpartition("-")[2] for whole in newest_first] == ids
    for short, whole in zip(ids, newest_first, strict=True):
        shown = screens.piped("results", "show", short, "--json")
        assert (shown.code, json.loads(shown.out)["id"]) == (0, whole), shown.err


def test_the_path_of_a_measurement_is_never_broken(screens: Screens) -> None:
    screen = screens.at(80, "results", "show", MADE[0].id)
    (path,) = [line.strip() for line in screen.lines if line.strip().endswith(".json")]
    assert Path(path).is_file()


def test_a_comparison_has_one_line_for_a_fact_below_the_name_of_its_row(screens: Screens) -> None:
    screen = screens.at(80, "compare", "results", "worse", "--no-gate")
    (line,) = [line for line in screen.lines if line.startswith("✗")]
    assert line.split()[:4] == ["✗", "latency", "19.99", "ms"]
    above = screen.lines[: screen.lines.index(line)]
    assert "seaformer_t.ade20k 512x512 executorch fp32 logits, host core prime" in above
    assert "unchanged; --wide prints everything." in screen.text


def test_a_terminal_without_colours_has_none(screens: Screens) -> None:
    screen = on_terminal("report", columns=100, cwd=screens.folder, NO_COLOR="1", TERM="dumb")
    assert "\x1b" not in screen.raw
