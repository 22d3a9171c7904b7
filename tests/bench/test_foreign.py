"""Files without a manifest: what they are fed, what judges them, on this machine for real."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest

from seaformer.bench.foreign import FileOptions, foreign_artifact, open_file, open_files
from seaformer.bench.profile import profile
from seaformer.bench.run import Bench
from seaformer.bench.targets.host import HostTarget
from seaformer.compare.rows import Side, compare
from seaformer.core.artifact import Artifact
from seaformer.core.errors import CorruptArtifact, UnknownName, UsageError
from seaformer.core.measurement import Measurement
from seaformer.core.plan import RunPlan, Stop, Warmup
from seaformer.core.quiet import quiet
from seaformer.report import write_report
from seaformer.report.table import table_of
from seaformer.store.results import ResultStore
from seaformer.store.summaries import load_summarised
from tests import foreign
from tests.exports import small

PLAN = RunPlan(core="0", processes=1, warmup=Warmup(runs=1), stop=Stop(runs=3))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Inputs are kept in a cache of the test's own; the runner is built once for all."""
    from seaformer.core import files

    real = files.cache_dir()
    folder = tmp_path / "cache"
    folder.mkdir()
    real.joinpath("runner").mkdir(parents=True, exist_ok=True)
    folder.joinpath("runner").symlink_to(real / "runner")
    monkeypatch.setenv("SEAFORMER_CACHE", str(folder))
    return folder


def bench(folder: Path, *artifacts: Artifact, python: bool = False) -> list[Measurement]:
    return Bench(HostTarget(python=python), PLAN, ResultStore(folder)).run(artifacts)


def flags(row: Measurement) -> dict[str, tuple[bool, str]]:
    return {flag.name: (flag.fatal, flag.detail) for flag in row.flags}


def test_every_opset_that_the_engine_reads_is_judged_by_the_standards_own_evaluator(
    tmp_path: Path,
) -> None:
    opsets = (7, 11, 17, 26)
    paths = [
        foreign.save(foreign.convolution(opset=opset, ir=3 if opset == 7 else 8), tmp_path / name)
        for opset, name in ((opset, f"o{opset}.onnx") for opset in opsets)
    ]
    artifacts = open_files(paths)
    assert [artifact.opset for artifact in artifacts] == list(opsets)
    rows = bench(tmp_path / "results", *artifacts)
    for row, artifact in zip(rows, artifacts, strict=True):
        output = row.methods["forward"].output
        assert output is not None
        assert output.passed
        assert output.relative_error < 1e-5
        assert row.model == f"{artifact.file}@{artifact.sha256[:8]}"
        assert row.input_shape == foreign.FIXED
        fatal, detail = flags(row)["no manifest"]
        assert not fatal
        assert "reference evaluator" in detail
        assert "input image: china.jpg" in detail
        assert "output unchecked" not in flags(row)
    assert len(table_of(rows).newest.rows) == len(opsets)


@pytest.mark.parametrize("python", [False, True], ids=["cpp", "python"])
def test_several_inputs_of_other_types_are_fed_within_their_ranges(
    tmp_path: Path, python: bool
) -> None:
    path = foreign.save(foreign.text_classifier(), tmp_path / "text.onnx")
    artifact = open_file(path, FileOptions(shapes=(("words", (6,)),)))
    with np.load(Path(artifact.reference.file)) as kept:  # type: ignore[union-attr]
        ids = kept["input_0"]
    assert ids.shape == (6,)
    assert 0 <= ids.min() <= ids.max() < 3
    assert artifact.model.endswith("[6,1x6,]")  # no HxW states these sizes
    (row,) = bench(tmp_path / "results", artifact, python=python)
    assert row.failure is None
    output = row.methods["forward"].output
    assert output is not None
    assert output.passed


def bfloat16_program(folder: Path) -> Path:
    """A convolution of ExecuTorch's portable kernels; no delegate takes bfloat16."""
    import torch

    with quiet():
        from executorch.exir import to_edge

    torch.manual_seed(0)
    network = torch.nn.Conv2d(3, 4, 3).eval().bfloat16()
    image = (torch.zeros(1, 3, 16, 24, dtype=torch.bfloat16),)
    with quiet():
        program = to_edge(torch.export.export(network, image)).to_executorch()
    path = folder / "wide.pte"
    path.write_bytes(program.buffer)
    return path


@pytest.mark.slow
def test_a_bfloat16_program_is_fed_and_judged_and_what_cannot_be_fed_is_one_sentence(
    tmp_path: Path,
) -> None:
    path = bfloat16_program(tmp_path)
    elsewhere = open_file(path, FileOptions(here=False))  # as for a phone: judged by this machine
    assert [each.dtype for each in elsewhere.methods[0].inputs] == ["bfloat16"]
    row, refused = (
        bench(tmp_path / "results", elsewhere, python=python)[0] for python in (False, True)
    )
    assert row.failure is None
    output = row.methods["forward"].output
    assert output is not None
    assert output.passed
    assert output.max_abs == 0
    assert refused.failure is not None
    assert "Python runner cannot feed that" in refused.failure


def test_onnx_runtime_refuses_bfloat16_in_one_sentence(tmp_path: Path) -> None:
    model = foreign.convolution()
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.elem_type = onnx.TensorProto.BFLOAT16
    for weight in model.graph.initializer:
        wide = onnx.numpy_helper.to_array(weight).view("uint32") >> 16
        weight.CopyFrom(
            onnx.helper.make_tensor(
                weight.name,
                onnx.TensorProto.BFLOAT16,
                weight.dims,
                wide.astype("<u2").tobytes(),
                raw=True,
            )
        )
    path = foreign.save(model, tmp_path / "wide.onnx")
    with pytest.raises(CorruptArtifact, match="ONNX Runtime cannot load") as caught:
        open_file(path)
    assert "\n" not in caught.value.message
    assert "bfloat16" in caught.value.message or "Conv" in caught.value.message


def test_free_sizes_have_to_be_stated_and_the_row_has_them(tmp_path: Path) -> None:
    path = foreign.save(foreign.convolution(foreign.FREE), tmp_path / "free.onnx")
    with pytest.raises(UsageError, match=r"batchx3xheightxwidth\) leaves sizes free") as caught:
        open_file(path)
    assert caught.value.hint == "State them: --size HxW"
    with pytest.raises(UnknownName, match="depth"):
        open_file(path, FileOptions(shapes=(("depth", (1,)),)))
    with pytest.raises(UsageError, match="'image' must have at most 2,147,483,648 values"):
        open_file(path, FileOptions(shapes=(("image", (10**23, 3, 8, 8)),)))
    by_size = open_file(path, FileOptions(size=(16, 24)))
    by_name = open_file(path, FileOptions(shapes=(("height", (24,)), ("width", (32,)))))
    whole = open_file(path, FileOptions(shapes=(("image", (2, 3, 8, 8)),)))
    rows = bench(tmp_path / "results", by_size, by_name, whole)
    assert [row.failure for row in rows] == [None] * 3
    assert [row.input_shape[2:] for row in rows] == [(16, 24), (24, 32), (8, 8)]
    assert whole.model.endswith("[2x3x8x8]")
    assert len(table_of(rows).newest.rows) == 3


def test_a_fixed_size_is_not_changed(tmp_path: Path) -> None:
    path = foreign.save(foreign.convolution(), tmp_path / "fixed.onnx")
    with pytest.raises(UsageError, match=r"--size must be 32x48, .* \(got 64x64\)"):
        open_file(path, FileOptions(size=(64, 64)))


def test_the_users_input_and_expected_output_go_before_ours(tmp_path: Path) -> None:
    path = foreign.save(foreign.convolution(), tmp_path / "net.onnx")
    image, zeros = tmp_path / "image.npy", tmp_path / "zeros.npy"
    np.save(image, np.ones(foreign.FIXED, np.float32))
    np.save(zeros, np.zeros((1, 4, 32, 48), np.float32))
    wrong = FileOptions(inputs=(("image", image),), references=(("", zeros),))
    (row,) = bench(tmp_path / "results", open_file(path, wrong))
    assert not row.valid
    assert flags(row)["wrong output"][0]
    assert "input image: image.npy" in flags(row)["no manifest"][1]
    with pytest.raises(UsageError, match=r"must have the shape of image float32 1x3x32x48"):
        open_file(path, FileOptions(inputs=(("", zeros),)))
    with pytest.raises(UnknownName, match="pixels"):
        open_file(path, FileOptions(inputs=(("pixels", image),)))
    with pytest.raises(UsageError, match="1 input, 2 files are given"):
        open_file(path, FileOptions(inputs=(("", image), ("", image))))
    np.save(image, np.ones(foreign.FIXED, np.int64))
    with pytest.raises(UsageError, match=r"must be float32, as image is \(got int64\)"):
        open_file(path, FileOptions(inputs=(("", image),)))


def test_external_weights_are_part_of_the_file(tmp_path: Path) -> None:
    one = foreign.with_external_weights(tmp_path / "one")
    other = foreign.with_external_weights(tmp_path / "other", scale=2.0)
    assert one.read_bytes() == other.read_bytes()
    weights = one.parent / "weights" / "all.bin"
    artifacts = [*open_files([one, weights]), *open_files([other])]  # weights are passed over
    assert len({artifact.sha256 for artifact in artifacts}) == 2
    assert artifacts[0].size_bytes == one.stat().st_size + weights.stat().st_size
    rows = bench(tmp_path / "results", *artifacts)
    assert [row.failure for row in rows] == [None, None]
    assert all(row.methods["forward"].output.passed for row in rows)  # type: ignore[union-attr]
    weights.unlink()
    with pytest.raises(CorruptArtifact, match=r"weights in weights/all\.bin, which is missing"):
        open_file(one)


@pytest.mark.parametrize(
    ("opset", "ir", "words"),
    [
        (17, 14, r"IR version 14 must be at most \d+"),
        (28, 8, r"opset 28 of ai\.onnx must be at most \d+"),
    ],
)
def test_a_file_too_new_for_the_engine_is_one_sentence(
    tmp_path: Path, opset: int, ir: int, words: str
) -> None:
    path = foreign.save(foreign.convolution(opset=opset, ir=ir), tmp_path / "new.onnx")
    with pytest.raises(
        CorruptArtifact, match=rf"^ONNX Runtime cannot load .*new\.onnx: its {words}"
    ):
        open_file(path)


@pytest.mark.parametrize("name", ["x.onnx", "x.pte"])
def test_a_file_that_is_not_a_model_is_one_sentence(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"version https://git-lfs.github.com/spec/v1\n" * 30)
    with pytest.raises(CorruptArtifact, match=r"is not an? (ONNX model|ExecuTorch program)"):
        open_file(path)


def test_an_output_that_nothing_can_judge_is_flagged_and_its_time_counts(tmp_path: Path) -> None:
    path = Path(shutil.copy(small("executorch").path, tmp_path / "net.pte"))
    artifact = open_file(path)
    (row,) = bench(tmp_path / "results", artifact)
    assert row.failure is None
    fatal, detail = flags(row)["output unchecked"]
    assert not fatal
    assert "--reference" in detail
    assert row.methods["forward"].output is None
    elsewhere = open_file(path, FileOptions(here=False))
    assert elsewhere.foreign is not None
    assert elsewhere.foreign.judged_by.startswith("ExecuTorch ")
    (row,) = bench(tmp_path / "results", elsewhere)
    assert row.methods["forward"].output is not None


def test_an_output_that_is_not_finite_never_passes(tmp_path: Path) -> None:
    artifact = open_file(foreign.save(foreign.logarithm(), tmp_path / "log.onnx"))
    unjudged = foreign_artifact(artifact.path)
    rows = bench(tmp_path / "results", artifact, unjudged)
    assert not any(row.valid for row in rows)
    assert all(flags(row)["wrong output"][0] for row in rows)


def test_a_half_precision_file_is_listed_and_judged_as_one(tmp_path: Path) -> None:
    path = foreign.save(foreign.convolution(half=True), tmp_path / "half.onnx")
    artifact = open_file(path)
    assert artifact.precision == "fp16"
    (row,) = bench(tmp_path / "results", artifact)
    assert row.failure is None
    output = row.methods["forward"].output
    assert output is not None
    assert output.passed
    assert "without optimisations" in flags(row)["no manifest"][1]


def test_an_integer_file_is_listed_as_one_in_reports_and_comparisons(tmp_path: Path) -> None:
    artifact = open_file(foreign.save(foreign.quantised(), tmp_path / "q.onnx"))
    assert artifact.precision == "int8"
    rows = bench(tmp_path / "results", artifact)
    output = rows[0].methods["forward"].output
    assert output is not None
    assert output.passed
    written = write_report(tmp_path / "results", load_summarised(ResultStore(tmp_path / "results")))
    assert artifact.model in (tmp_path / "results" / "report.md").read_text()
    assert [row.model for row in written.report.table.rows] == [artifact.model]
    assert compare(Side("base", tuple(rows)), Side("new", tuple(rows))).regressions == ()


def test_operators_of_a_profile_have_the_modules_that_the_nodes_are_named_after(
    tmp_path: Path,
) -> None:
    artifact = open_file(foreign.save(foreign.convolution(), tmp_path / "net.onnx"))
    times = profile(HostTarget(), PLAN, artifact)
    assert {"stem", "head"} <= {operator.module for operator in times.operators}


def test_what_only_a_foreign_file_takes_is_refused_for_another(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has a manifest, which states its inputs"):
        open_file(small("onnx").path, FileOptions(inputs=(("", tmp_path / "x.npy"),)))
