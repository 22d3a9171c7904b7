"""Names and numbers that cannot be: one sentence, before anything is done."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.commands.program import Forks, seaformer


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ("export --variant q", 2, ("Unknown variant 'q'", "t (tiny)")),
        ("bench --variant q", 2, ("Unknown variant 'q'", "t (tiny)")),
        ("export --model seaformr_t", 2, ("'seaformr_t'", "Did you mean seaformer_t.ade20k?")),
        ("bench --model seaformer_t.citiscapes", 2, ("Did you mean seaformer_t.cityscapes?",)),
        ("models seaformr_t.ade20k", 2, ("Did you mean seaformer_t.ade20k?",)),
        ("models x*", 2, ("No model matches 'x*'", "(seaformer, seaformerpp", "List them")),
        ("models retinanet*", 2, ("No model matches", "seaformer_t.coco")),
        ("export --model retinanet_t", 2, ("Unknown model 'retinanet_t'", "seaformer_t.coco")),
        ("export --variant t++ku", 2, ("Unknown variant 't++ku'", "t++kd")),
        ("export --variant t --format onx", 2, ("Unknown format 'onx'", "Did you mean onnx?")),
        ("bench --variant t --format executorc", 2, ("Did you mean executorch?",)),
        ("export --variant t --format ,", 2, ("No format",)),
        ("export --variant t --precision fp23", 2, ("Did you mean fp32?",)),
        ("export --variant t --format onnx --dynamic depth", 2, ("Unknown axis 'depth'", "batch")),
        ("export --variant t --dynamic batch", 2, ("--dynamic is not supported for executorch",)),
        ("export --variant t --precision fp32, --size 1x1", 3, ("32 to 4096 pixels",)),
        ("export --variant t --scope logit", 2, ("Did you mean logits?",)),
        (
            "export --model seaformer_t.* --scope upsample",
            2,
            ("imagenet is for classification", "logits or argmax", "upsample is for segmentation"),
        ),
        ("bench --variant t --scope boxes", 2, ("logits, upsample or argmax, not boxes",)),
        ("bench --variant t --device hots", 2, ("Unknown device 'hots'", "Did you mean host?")),
        ("export", 2, ("No model was named", "--variant t")),
        ("bench", 2, ("No model was named", "--variant t")),
        ("export --variant t --size 64", 2, ("--size '64'", "--size 512x1024")),
        ("export --variant t --size 64x", 2, ("--size '64x'",)),
        ("export --variant t --size 64x64x64", 2, ("--size '64x64x64'",)),
        ("export --variant t --size=-64x64", 2, ("--size '-64x64'",)),
        ("export --variant t --size 6.5x64", 2, ("--size '6.5x64'",)),
        (f"export --variant t --size {'9' * 5000}x64", 2, ("is not a size",)),
        ("export --variant t --size 0x0", 3, ("32 to 4096 pixels, not 0x0",)),
        ("export --variant t --size 64x999999999", 3, ("not 64x999999999", "512x512")),
        ("bench --variant t --size 100x31", 3, ("32 to 4096 pixels, not 100x31",)),
        ("export no.onnx", 2, ("no.onnx does not exist",)),
        ("export no.pte", 2, ("FILE must be an .onnx or .pt2 file (got 'no.pte')",)),
        ("export no.onnx --module a.b:c", 2, ("FILE and --module",)),
        ("export --variant t --opset 21", 2, ("--opset is not supported for executorch",)),
        ("export --variant t --format onnx --opset 21", 2, ("11 to 20 for onnx (got 21)",)),
        ("bench --variant t --threads 0", 2, ("--threads must be 1 to", "(got 0)")),
        ("bench --variant t --threads=-1", 2, ("--threads must be 1 to", "(got -1)")),
        ("bench --variant t --threads 4096", 2, ("--threads must be 1 to", "(got 4096)")),
        ("bench --variant t --core 4096", 2, ("--core must be 0 to", "(got 4096)")),
        ("bench --variant t --core fast", 2, ("prime, big, little, a core number or a list",)),
        ("bench --variant t --runs 0", 2, ("--runs must be", "(got 0)")),
        ("bench --variant t --repeats 0", 2, ("--repeats must be", "(got 0)")),
        ("bench --variant t --warmup=-2", 2, ("--warmup must be", "(got -2)")),
        ("bench --variant t --min-secs 9 --max-secs 1", 2, ("--min-secs 9",)),
        ("bench --variant t --min-secs nan", 2, ("--min-secs must be", "(got nan)")),
        ("bench --variant t --max-secs inf", 2, ("--max-secs must be", "(got inf)")),
        ("export --variant t --input int8", 2, ("Unknown input 'int8'", "uint8")),
        (
            "export --variant t --input uint8 --format onnx,coreml",
            2,
            ("--input uint8 is not supported for coreml", "--format onnx,executorch"),
        ),
        ("export --variant t --input uint8 --components", 2, ("do not go together",)),
        ("export --variant t --mean 1,2,3", 2, ("--mean is for --module", "has its own")),
        (f"export --variant t --classes {9**30}", 2, ("1 to 65,536 classes, not 4239",)),
        (f"export --module a:b --shape 1x3x{9**20}x64", 2, ("at most 2,147,483,648 values",)),
        ("export --module a:b --shape 1x3x64x64 --std 1,2", 2, ("--std must be three numbers",)),
        ("bench --variant t --input uint8 --format ncnn", 2, ("not supported for ncnn",)),
        ("bench no.onnx --input uint8", 2, ("--input uint8 is for models by name",)),
        ("bench --variant t --checkpoint no.pth", 3, ("no.pth does not exist",)),
        ("bench no.onnx", 3, ("no.onnx does not exist", "seaformer export")),
        ("bench no.onnx --input x.npy", 3, ("no.onnx does not exist", "seaformer export")),
        ("bench no.onnx --input ~nobody-here/a=b.npy", 2, ("home folder that does not exist",)),
        ("bench no.onnx --variant t", 2, ("--variant is for models by name",)),
        ("bench no.onnx --precision fp16", 2, ("--precision is for models by name",)),
        ("bench no.onnx --format onnx", 2, ("--format is for models by name",)),
        ("bench no.onnx --int8-keep stem", 2, ("--int8-keep is for models by name",)),
        ("bench --variant t --reference y.npy", 2, ("--reference y.npy is for files",)),
        ("bench --variant t --input x=x.npy", 2, ("--input x=x.npy is for files",)),
        ("bench --variant t --shape batch=1", 2, ("--shape batch=1 is for files",)),
        (f"results show {'9' * 300}", 2, ("File name too long",)),
        (f"compare {'a' * 300} HEAD", 2, ("File name too long",)),
        (f"results merge {'a' * 300}", 2, ("File name too long",)),
        ("inspect .", 2, (". is not a model file",)),
        ("bench /", 2, ("/ is not a model file",)),
        ("inspect .json", 2, (".json is not a model file",)),
        ("inspect ~nobody-here/x.onnx", 2, ("home folder that does not exist", "in full")),
        ("results merge ~nobody-here/x", 2, ("home folder that does not exist",)),
        ("runner pack no.onnx --out ~nobody-here/x.tar", 2, ("home folder that does not exist",)),
        ("runner pack no.onnx --out /proc/no/x.tar", 2, ("/proc/no cannot be made",)),
        ("runner pack no.onnx --out x.tgz", 2, ("--out must be a .tar file (got x.tgz)",)),
    ],
    ids=lambda value: value[:60] if isinstance(value, str) else None,
)
def test_what_cannot_be_is_one_sentence_with_its_exit_code(
    forks: Forks, tmp_path: Path, arguments: str, code: int, words: tuple[str, ...]
) -> None:
    told = forks(*arguments.split(), cwd=tmp_path)
    assert (told.code, told.out) == (code, "")
    assert all(word in told.complaint for word in words), told.err
    assert list(tmp_path.iterdir()) == []


def test_a_pipe_or_a_folder_in_place_of_a_file_is_refused_and_stays(
    forks: Forks, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe.onnx")
    assert "pipe.onnx is not a file" in forks("export", "pipe.onnx", cwd=tmp_path).complaint
    (tmp_path / "x.tar" / "full").mkdir(parents=True)
    told = forks("runner", "pack", "no.onnx", "--out", "x.tar", cwd=tmp_path)
    assert "--out must be a .tar file (got x.tar/)" in told.complaint
    assert (tmp_path / "x.tar" / "full").is_dir()


def test_an_option_nobody_has_and_a_word_for_a_number_are_usage(tmp_path: Path) -> None:
    for arguments in (("bench", "--thread", "1"), ("bench", "--threads", "one"), ("bnch",)):
        told = seaformer(*arguments, cwd=tmp_path)
        assert told.code == 2
        assert "Traceback" not in told.err


def test_random_weights_are_said_where_trained_ones_come_with_seaformer(
    forks: Forks, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()  # nothing is exported into it
    name, own = "seaformer_t.synth", "Weights of seaformer_t.synth are random; --checkpoint"
    for arguments, said in (
        (("export", "--model", name), True),
        (("export", "--model", name, "--checkpoint", name), False),
        (("export", "--variant", "t"), False),
    ):
        told = forks(*arguments, "--out", "file", cwd=tmp_path)
        assert "file" in told.complaint
        assert (own in told.err) == said
    evaluated = forks("eval", "--model", name, "--data", "none", cwd=tmp_path)
    assert own in evaluated.err


def test_options_of_pictures_are_refused_before_the_network_is_opened(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_text("no network")
    (tmp_path / "taken").write_text("a file")
    (tmp_path / "photo.jpg").write_bytes(b"never read")
    line = ("predict", "photo.jpg", "--artifact", "net.onnx")
    assert "--alpha must be between" in seaformer(*line, "--alpha", "7", cwd=tmp_path).complaint
    assert "The folder taken" in seaformer(*line, "--out", "taken", cwd=tmp_path).complaint
    assert "net.onnx is not" in seaformer(*line, cwd=tmp_path).complaint


@pytest.mark.parametrize("command", ["estimate --variant t", "data synth set"])
def test_a_seed_that_is_too_large_is_refused(command: str, tmp_path: Path) -> None:
    done = seaformer(*command.split(), "--seed", str(2**32), cwd=tmp_path)
    assert done.code == 2
    assert "less than or equal to 4294967295" in done.err
