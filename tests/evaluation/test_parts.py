"""An evaluation in parts gives what it gives at once; parts of others are refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import seaformer
from seaformer.core import codec
from seaformer.core.errors import CorruptArtifact, SchemaTooNew, UsageError
from seaformer.data.dataset import DataSet
from seaformer.data.sets import open_set
from seaformer.data.synth import synthesise
from seaformer.evaluation import part as parts
from seaformer.evaluation.modes import Mode
from seaformer.evaluation.order import EvalOrder, merge_parts
from seaformer.evaluation.outcome import evaluations
from seaformer.evaluation.part import Part, Share
from seaformer.evaluation.predictor import Array, Predictor
from seaformer.evaluation.run import Pass, count_set
from seaformer.evaluation.subject import Subject
from seaformer.evaluation.work import Work
from seaformer.store.accuracy import load
from tests import exports
from tests.commands.program import seaformer as command

WHOLE = Mode(step=32)


def colours(name: str, best: int) -> Predictor:
    """The brightest colour of a pixel, as one of three classes; of twelve the others are absent."""

    def answer(image: Array) -> Array:
        scores = np.full((1, 12, *image.shape[:2]), -1.0, np.float32)
        scores[0, best : best + 3] = image.transpose(2, 0, 1)
        return scores

    return Predictor(name, "segmentation", "logits", None, lambda image: image, answer)


PAIR = (colours("a", 0), colours("b", 3))
SUBJECTS = (Subject("a", (1, 3, 8, 8)), Subject("b", (1, 3, 8, 8)))


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> DataSet:
    folder = synthesise(tmp_path_factory.mktemp("set") / "shapes", 10, 5).folder
    data = open_set(folder, "train")
    data.samples[3].image.write_bytes(b"nothing")
    return data


def counted(data: DataSet, share: Share, **more: object) -> Part:
    return count_set(data, PAIR, (WHOLE, WHOLE), SUBJECTS, replace(Pass(share=share), **more))  # type: ignore[arg-type]


def test_parts_add_up_to_the_same_figures_intervals_and_differences(shapes: DataSet) -> None:
    whole = evaluations(shapes, counted(shapes, Share()))
    three = [counted(shapes, Share(index, 3)) for index in (2, 0, 1)]
    again = evaluations(shapes, parts.merged(three, ["c", "a", "b"]))
    assert codec.to_json(again) == codec.to_json(whole)
    assert whole[0].miou_ci95 is not None
    assert whole[0].miou_ci95.low < whole[0].miou_ci95.high
    assert whole[1].difference is not None
    assert (whole[0].images, whole[0].skipped) == (7, 1)


def test_a_part_survives_its_file(shapes: DataSet, tmp_path: Path) -> None:
    part = counted(shapes, Share(1, 2))
    parts.save(part, tmp_path / "part.json")
    assert parts.load(tmp_path / "part.json") == part


def test_a_pass_that_was_stopped_continues_to_the_same_part(shapes: DataSet) -> None:
    kept: list[Part] = []

    def stop(sentence: str) -> None:
        if len(kept) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        counted(shapes, Share(), keep=kept.append, keep_seconds=0.0, progress=stop)
    assert (kept[-1].done, kept[-1].due) == (3, 8)
    seen: list[str] = []
    again = counted(shapes, Share(), before=kept[-1], progress=seen.append)
    assert again == counted(shapes, Share())
    assert seen[0] == "image 4 of 8"
    with pytest.raises(UsageError, match="of another evaluation") as refused:
        counted(shapes, Share(), before=kept[-1], seed=1)
    assert "another file" in refused.value.hint  # without --resume that file is refused too


def test_parts_that_do_not_make_the_whole_are_refused(shapes: DataSet) -> None:
    first, second = (counted(shapes, Share(index, 2)) for index in (0, 1))
    for given, sentence in (
        ([first], "Of 2 parts these are missing: 2."),
        ([first, first], "b and a are both part 1 of 2."),
        ([first, counted(shapes, Share(1, 2), seed=7)], "parts of different evaluations"),
        ([first, replace(second, done=2, images=1)], "b is not complete: 2 of 4 images."),
    ):
        with pytest.raises(UsageError, match=sentence):
            parts.merged(given, ["a", "b"][: len(given)])


def test_a_damaged_part_is_refused_in_one_sentence(shapes: DataSet, tmp_path: Path) -> None:
    path = tmp_path / "part.json"
    parts.save(counted(shapes, Share()), path)
    good = json.loads(path.read_text())

    def refused(sentence: str, **changes: object) -> None:
        path.write_text(json.dumps(good | changes))
        with pytest.raises(CorruptArtifact, match=sentence):
            parts.load(path)

    counts = good["counted"][0]
    refused("shares must be numbers from 0 to 0", shares=[1])
    refused("cannot have judged 9 of 8", images=9)
    refused("as many counts as subjects", counted=[counts])
    refused("3 rows of 12", counted=[counts | {"counts": [[1]] * 3}, counts])
    refused("3 rows of 12", counted=[counts | {"counts": [[1] * 12, [1] * 12, [1]]}, counts])
    refused("at most 63 bits", counted=[counts | {"counts": [[2**70] * 12] * 3}, counts])
    refused("cannot be unpacked", counted=[counts | {"resampled": "AAAA"}, counts])
    refused("resampled must be", counted=[counts | {"resampled": "eJwDAAAAAAE="}, counts])
    path.write_text(json.dumps(good | {"schema": 2}))
    with pytest.raises(SchemaTooNew):
        parts.load(path)


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "a/b", "1/2/3", "-1/2", "1/999999999"])
def test_shards_out_of_range_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--shard must be like 1/4"):
        Share.parse(text)


def named(folder: Path) -> Path:
    """A set whose classes are those of the small models."""
    names = [f"class {number}" for number in range(150)]
    document = {"schema": 1, "names": names, "reduce_zero": True}
    (folder / "classes.json").write_text(json.dumps(document))
    return folder


def test_shards_by_command_are_merged_into_the_record_of_the_whole(tmp_path: Path) -> None:
    folder, file = named(synthesise(tmp_path / "a b", 10, 1).folder), exports.small("onnx").path
    results, other = tmp_path / "results", tmp_path / "other"
    (whole,) = seaformer.evaluate(file, data=folder, split="train", limit=5, results=other)
    shared = ("eval", "--data", folder, "--split", "train")
    files = [tmp_path / f"{index}.json" for index in (1, 2)]
    for index, part in enumerate(files, 1):
        shard = ("--limit", 5, "--shard", f"{index}/2", "--part", part)
        done = command(*shared, *shard, file, cwd=tmp_path)
        assert (done.code, done.out) == (0, ""), done.err
        assert not results.exists()
    (row,) = command(*shared, "--merge", "--json", *files, cwd=tmp_path).documents
    assert whole.miou_ci95 is not None
    expected = (whole.miou, 5, {"low": whole.miou_ci95.low, "high": whole.miou_ci95.high})
    assert (row["miou"], row["images"], row["miou_ci95"]) == expected
    (record,) = load(results)[0]
    assert (record.miou, record.artifact_file) == (whole.miou, file.name)
    with pytest.raises(UsageError, match=r"1.json is not of the images"):
        merge_parts(EvalOrder(folder, "val"), files)


def test_options_of_parts_that_do_not_go_together_are_refused(tmp_path: Path) -> None:
    kept = tmp_path / "part.json"
    kept.write_text("{}")
    for work, sentence in (
        (Work(Share(0, 2)), "--shard requires --part FILE"),
        (Work(resume=True), "--resume requires --part FILE"),
        (Work(part=kept), "exists already"),
    ):
        with pytest.raises(UsageError, match=sentence):
            work.check(has_network=False)
    with pytest.raises(UsageError, match="a network may have other weights"):
        Work(part=kept, resume=True).check(has_network=True)


@pytest.mark.slow
def test_processes_of_torchrun_give_the_result_of_one(tmp_path: Path) -> None:
    folder, file = named(synthesise(tmp_path / "set", 10, 1).folder), exports.small("onnx").path
    (whole,) = seaformer.evaluate(file, data=folder, split="train", results=tmp_path / "other")
    argv = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    argv += ["-m", "seaformer", "eval", str(file), "--data", str(folder), "--split", "train"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*argv, "--json", "--results", str(tmp_path / "results")],
        capture_output=True, timeout=300, check=False, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    assert json.loads(done.stdout) == json.loads(json.dumps(codec.to_json((whole,))))
    assert len(load(tmp_path / "results")[0]) == 1
