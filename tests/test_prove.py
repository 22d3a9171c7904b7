"""What ``tools/prove.py`` refuses before it exports, and when it need not export at all."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from seaformer.core import files
from seaformer.core.proof import Proofs
from seaformer.core.request import ExportRequest
from seaformer.export import find_export
from tests import pages


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("no_such*",), "No model matches 'no_such*'"),
        (("seaformer_t.*", "retinanet_t"), "Unknown model 'retinanet_t'"),
        (("seaformer_t", "--own-size", "--size", "64x64"), "not allowed with argument"),
        (("seaformer_t", "--size", "64"), "invalid size value: '64'"),
        (("seaformer_t.imagenet", "--scope", "boxes", "--again"), "logits or argmax, not boxes"),
        (("seaformer_t.imagenet", "--formats", "onx", "--again"), "Did you mean onnx?"),
    ],
)
def test_what_cannot_be_proved_is_refused_in_one_sentence(
    arguments: tuple[str, ...],
    part: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["prove.py", *arguments])
    try:
        code = pages.tool("prove").main()
    except SystemExit as ended:
        code = ended.code
    printed = capsys.readouterr()
    assert (code, printed.out) == (2, "")
    assert part in printed.err


def test_a_file_of_the_own_size_is_found_by_a_bench_and_proves_itself_the_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(files.CACHE_VARIABLE, str(tmp_path))
    prove = pages.tool("prove")
    trial = prove.Trial("mobilenetv1_x025.imagenet", "onnx", "fp32", "logits", (224, 224), "today")
    first = trial.proof(keep=True)
    kept = find_export(ExportRequest("mobilenetv1_x025.imagenet", "onnx"))
    assert kept is not None
    monkeypatch.setattr(prove, "cached_export", None)  # what would export
    again = trial.proof(keep=True)
    assert (first.failure, again.failure) == ("", "")
    assert again.created_at == first.created_at == kept.created_at
    assert again.relative_error == first.relative_error
    assert 0 < again.seconds < first.seconds + 1


@pytest.mark.parametrize(
    ("proved", "asked", "known"),
    [((224, 224), (64, 64), True), ((64, 64), (224, 224), False), ((64, 320), (224, 224), False)],
)
def test_a_proof_of_a_size_stands_for_smaller_ones_alone(
    proved: tuple[int, int], asked: tuple[int, int], known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    prove = pages.tool("prove")
    kind = ("mobilenetv1_x025.imagenet", "onnx", "fp32", "logits")
    proof = prove.Trial(*kind, proved, "then")._failed("a reason", 1.0)
    monkeypatch.setattr(prove, "read", _Read(Proofs((proof,))))
    assert prove.Trial(*kind, asked, "today").is_known(any_sources=True) is known
    assert not prove.Trial(*kind, asked, "today").is_known(any_sources=False)


def test_a_model_is_one_process_of_a_sweep_with_all_its_formats() -> None:
    prove = pages.tool("prove")
    group = [
        prove.Trial("seaformer_t.ade20k", format, "fp16", "logits", (64, 96), "")
        for format in ("onnx", "ncnn")
    ]
    argv = prove._argv(group, ["--again"])
    options = "--formats onnx,ncnn --precision fp16 --scope logits --size 64x96 --again --print"
    assert argv == ("seaformer_t.ade20k", *options.split())
    assert "--size" not in prove._argv(group, ["--own-size"])


class _Read:
    """``core.proof.read`` of a file with these."""

    def __init__(self, proofs: Proofs) -> None:
        self.proofs = proofs

    def __call__(self) -> Proofs:
        return self.proofs

    def cache_clear(self) -> None:
        """As that of ``functools.cache``."""
