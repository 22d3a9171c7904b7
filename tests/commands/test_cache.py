"""``seaformer cache``: what is kept, how large it is, and how it goes away."""

from __future__ import annotations

from pathlib import Path

import pytest

from seaformer.core import files
from seaformer.core.cache import CONTENTS, cache_kinds, clear, find_kinds
from seaformer.core.errors import UnknownName
from tests.commands.program import seaformer
from tests.commands.terminal import on_terminal


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    for name, size in (("artifacts/a/model.onnx", 3_000_000), ("runner/b/runner", 1_000_000)):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_bytes(b"x" * size)
    (folder / "runner" / "c").mkdir()
    monkeypatch.setenv(files.CACHE_VARIABLE, str(folder))
    return folder


def test_kinds_are_listed_by_size_with_what_they_are(cache: Path) -> None:
    kinds = cache_kinds()
    assert [(kind.name, kind.entries, kind.size_bytes) for kind in kinds] == [
        ("artifacts", 1, 3_000_000),
        ("runner", 2, 1_000_000),
    ]
    assert all(kind.contents for kind in kinds)
    wide = len("results-index  10000.0     1000  ")  # a line of it fits into 80 columns
    assert all(wide + len(contents) <= 80 for contents in CONTENTS.values())


def test_every_folder_of_the_cache_that_the_code_names_is_described() -> None:
    package = Path(files.__file__).parents[1]
    sources = [path.read_text() for path in package.rglob("*.py")]
    named = {
        text.partition('cache_dir() / "')[2].partition('"')[0]
        for source in sources
        for text in source.splitlines()
        if 'cache_dir() / "' in text
    }
    assert named == set(CONTENTS)


def test_one_kind_is_cleared_and_the_others_stay(cache: Path) -> None:
    (kind,) = find_kinds("artifacts")
    clear(kind)
    assert [path.name for path in cache.iterdir()] == ["runner"]
    assert find_kinds("artifacts") == ()
    with pytest.raises(UnknownName, match="artifacts"):
        find_kinds("artefacts")


def test_a_link_to_elsewhere_goes_and_what_it_points_to_stays(cache: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "kept").write_text("")
    (cache / "bundle").symlink_to(elsewhere)
    clear(*find_kinds("bundle"))
    assert (elsewhere / "kept").exists()
    assert not (cache / "bundle").exists()


def test_the_command_shows_sizes_and_clears_only_when_told(cache: Path, tmp_path: Path) -> None:
    shown = seaformer("cache", cwd=tmp_path)
    assert shown.code == 0, shown.err
    (line,) = [line for line in shown.out.splitlines() if line.startswith("artifacts")]
    assert line.split()[:3] == ["artifacts", "3.0", "1"]
    assert f"4.0 MB in {cache}" in shown.out
    assert "Next: seaformer cache clear artifacts" in shown.err
    refused = seaformer("cache", "clear", cwd=tmp_path)
    assert "Nothing was deleted" in refused.err
    assert (cache / "artifacts").exists()
    cleared = seaformer("cache", "clear", "--yes", cwd=tmp_path)
    assert cleared.out == "4.0 MB deleted (artifacts, runner).\n"
    assert list(cache.iterdir()) == []
    assert seaformer("cache", "clear", "--yes", cwd=tmp_path).out == "Nothing to delete.\n"


@pytest.mark.parametrize(
    ("answer", "left"), [("n\n", ["artifacts", "runner"]), ("y\n", ["runner"])]
)
def test_on_a_terminal_it_asks_first(
    cache: Path, tmp_path: Path, answer: str, left: list[str]
) -> None:
    screen = on_terminal("cache", "clear", "artifacts", columns=80, cwd=tmp_path, answer=answer)
    assert screen.code == 0
    assert "Delete 3.0 MB (artifacts)?" in screen.text
    assert sorted(path.name for path in cache.iterdir()) == left


def test_no_cache_is_an_empty_list(tmp_path: Path) -> None:
    shown = seaformer("cache", cwd=tmp_path, SEAFORMER_CACHE=str(tmp_path / "none"))
    assert shown.code == 0
    assert shown.out.startswith("0.0 MB in ")
    asked = seaformer("cache", "--json", cwd=tmp_path, SEAFORMER_CACHE=str(tmp_path / "none"))
    assert asked.documents == []
