"""What counts as a change of code."""

from __future__ import annotations

from pathlib import Path

from seaformer.core import sources

CODE = '''"""A module."""

# why
def double(x: int) -> int:
    """Twice ``x``.

    More words.
    """
    text = """kept"""
    return 2 * x  # inline
'''


def digest(folder: Path, text: str) -> str:
    path = folder / "module.py"
    path.write_text(text)
    return sources.sha256([path])


def test_words_do_not_count_and_code_does(tmp_path: Path) -> None:
    first = digest(tmp_path, CODE)
    assert digest(tmp_path, CODE.replace("A module", "Another").replace("More", "Fewer")) == first
    assert digest(tmp_path, CODE.replace("# why\n", "\n\n")) == first
    assert digest(tmp_path, CODE.replace("2 * x", "3 * x")) != first
    assert digest(tmp_path, CODE.replace('"""kept"""', '"""other"""')) != first


def test_a_files_name_counts(tmp_path: Path) -> None:
    first = digest(tmp_path, CODE)
    (tmp_path / "module.py").rename(tmp_path / "other.py")
    assert sources.sha256([tmp_path / "other.py"]) != first
