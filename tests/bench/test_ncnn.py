"""ncnn networks under a clock: by the Python runner here, by the C++ runner with a real libncnn.

A libncnn takes minutes to build where the cache has none, so what needs one runs before a release.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from seaformer.bench.operator_code import operator_codes
from seaformer.bench.profile import profile
from seaformer.bench.run import Bench
from seaformer.bench.target import Target, TargetOptions, open_target
from seaformer.bench.targets.host import HostTarget
from seaformer.core.artifact import Artifact
from seaformer.core.measurement import Measurement
from seaformer.core.plan import RunPlan, Stop, Warmup
from seaformer.core.precision import PrecisionName
from seaformer.core.quiet import quiet
from seaformer.export import export_model
from seaformer.export._ncnn.weights import Stored, write_weights
from seaformer.export.quantize import ncnn as quantize_ncnn
from seaformer.runtime._ncnn.param import Param, param_text, read_param
from seaformer.runtime.build import compiled
from seaformer.store.results import ResultStore
from tests.nets import Chained, Pointwise, Small, Strided
from tests.requirements import module

# The layers of the recipe that ``Small`` has no use for; without them, and for one instruction set,
# libncnn is built in a minute or two.
UNUSED = """
absval argmax batchnorm concat crop deconvolution dropout eltwise innerproduct pooling power
prelu reduction reshape scale sigmoid slice softmax tanh tile binaryop unaryop
convolutiondepthwise squeeze expanddims normalize interp deconvolutiondepthwise shufflechannel
instancenorm quantize dequantize requantize hardsigmoid noop pixelshuffle deepcopy mish swish
gemm groupnorm softplus multiheadattention gelu matmul unfold gridsample copyto erf rmsnorm sdpa
"""
STRIPPED = """
include("RECIPE")
foreach(option AVX RUNTIME_CPU INT8 OPENMP)
  set(NCNN_${option} OFF CACHE BOOL "" FORCE)
endforeach()
foreach(layer UNUSED)
  set(WITH_LAYER_${layer} OFF CACHE BOOL "" FORCE)
endforeach()
set(CMAKE_CXX_FLAGS "" CACHE STRING "" FORCE)
set(CMAKE_CXX_FLAGS_RELEASE "-O1" CACHE STRING "" FORCE)
"""
PLAN = RunPlan(core="0", processes=1, warmup=Warmup(runs=1), stop=Stop(runs=2))
SHAPE = (1, 3, 34, 46)
INTEGERS = 8  # key of a layer with weights of 8 bits: 2, and 102 where it gives codes


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with quiet():
        module("ncnn", "pip install 'seaformer[ncnn]'")
        module("pnnx", "pip install 'seaformer[ncnn]'")
    return tmp_path_factory.mktemp("ncnn")


def small(folder: Path, precision: PrecisionName = "fp32") -> Artifact:
    torch.manual_seed(0)
    return export_model(Small(), shape=SHAPE, format="ncnn", precision=precision, out=folder)


def row(target: Target, artifact: Artifact, results: Path) -> Measurement:
    (measurement,) = Bench(target, PLAN, ResultStore(results)).run([artifact])
    return measurement


def assert_right(measurement: Measurement) -> None:
    assert measurement.failure is None
    assert (measurement.runtime, measurement.runtime_version) == ("ncnn", "1.0.20261020")
    output = measurement.methods["forward"].output
    assert output is not None
    assert output.passed


def test_the_python_runner_times_a_network_and_gets_the_right_output(
    folder: Path, tmp_path: Path
) -> None:
    measurement = row(HostTarget(python=True), small(folder), tmp_path)
    assert_right(measurement)
    assert measurement.runner == "python"
    assert len(measurement.methods["forward"].samples_ns) == 2


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Target:
    """This machine, with a stripped libncnn of the real sources."""
    recipes = tmp_path / "recipes"
    recipes.mkdir()
    text = STRIPPED.replace("RECIPE", str(compiled.RECIPES / "ncnn.cmake"))
    (recipes / "ncnn.cmake").write_text(text.replace("UNUSED", UNUSED))
    monkeypatch.setattr(compiled, "RECIPES", recipes)
    return open_target("host", options=TargetOptions(engines=("ncnn",)))


@pytest.mark.slow
def test_the_cpp_runner_times_it_and_reports_what_is_wrong_with_its_files(
    host: Target, folder: Path, tmp_path: Path
) -> None:
    artifact = small(folder)
    measurement = row(host, artifact, tmp_path / "results")
    assert_right(measurement)
    assert measurement.runner == "cpp"
    assert measurement.methods["forward"].processes[0].load_ns > 0

    times = profile(host, PLAN, artifact).operators
    kinds = [each.kind for each in times]
    assert kinds == [kind for kind in param_kinds(artifact) if kind != "Input"]
    assert sum(each.median_ns for each in times) > 0
    assert times[kinds.index("Convolution")].module == "bn"  # the norm is folded into it

    param, weights = artifact.path, artifact.path.with_suffix(".bin")
    changes = {
        "Convolution9": "needs the layer Convolution9, which this build of ncnn",
        "MatMul": "needs the layer MatMul, which this build of ncnn",
        "": "which is missing",
    }
    for kind, message in changes.items():
        here = tmp_path / (kind or "missing")
        here.mkdir()
        shutil.copy(param, here)
        if kind:
            shutil.copy(weights, here)
            text = param.read_text().replace("Convolution ", f"{kind} ", 1)
            (here / param.name).write_text(text)
        failed = row(host, _at(artifact, here), tmp_path / "results")
        assert failed.failure is not None
        assert message in failed.failure


@pytest.mark.zoo
@pytest.mark.parametrize("device", ["host", "emulator"])
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_the_cpp_runner_times_it_in_its_precision(
    folder: Path, tmp_path: Path, device: str, precision: PrecisionName
) -> None:
    target = open_target(device, options=TargetOptions(engines=("ncnn",)))
    measurement = row(target, small(folder, precision), tmp_path)
    assert_right(measurement)
    assert measurement.runner == "cpp"
    counts = measurement.methods["forward"].counts
    if device == "emulator":
        assert counts
        assert (counts[0].fma_fp16 > 0) == (precision == "fp16")


@pytest.mark.zoo
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("size", [(9, 7), (16, 24)], ids=["63 positions", "384 positions"])
def test_pointwise_convolutions_of_the_arm_library_are_right_in_every_form(
    folder: Path, tmp_path: Path, size: tuple[int, int], precision: PrecisionName
) -> None:
    torch.manual_seed(0)
    options = TargetOptions(engines=("ncnn",))
    shape = (1, 3, *size)
    artifact = export_model(
        Pointwise(), shape=shape, format="ncnn", precision=precision, out=tmp_path
    )
    target = open_target("emulator", options=options)
    assert_right(row(target, artifact, tmp_path))


@pytest.mark.zoo
@pytest.mark.parametrize("size", [(1, 5), (9, 7), (16, 24), (48, 64)])
def test_integer_convolutions_of_the_arm_library_compute_what_those_of_x86_do(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    torch.manual_seed(0)
    monkeypatch.setattr(quantize_ncnn, "pays", lambda layer: True)  # in each form
    artifact = export_model(
        Pointwise(), shape=(1, 3, *size), format="ncnn", precision="int8", out=tmp_path
    )
    target = open_target("emulator", options=TargetOptions(engines=("ncnn",)))
    arm = row(target, artifact, tmp_path)
    x86 = row(HostTarget(python=True), artifact, tmp_path)
    outputs = [each.methods["forward"].output for each in (arm, x86)]
    assert all(output is not None and output.passed for output in outputs)
    loss = [output.psnr_db for output in outputs if output and output.psnr_db]
    assert loss == pytest.approx([loss[0]] * 2, abs=2)
    assert arm.methods["forward"].counts[0].multiply_int8 > 0


@pytest.mark.zoo
def test_an_integer_convolution_of_the_arm_library_takes_the_codes_that_another_one_gives(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ncnn's own tool writes such chains; our files have none."""
    torch.manual_seed(0)
    arrays: dict[str, tuple[Stored, ...]] = {}

    def keep(network: Param, given: Mapping[str, tuple[Stored, ...]], path: Path) -> None:
        arrays.update(given)
        write_weights(network, given, path)

    monkeypatch.setattr(quantize_ncnn, "pays", lambda layer: True)
    monkeypatch.setattr(quantize_ncnn, "write_weights", keep)
    artifact = export_model(
        Chained(), shape=(1, 3, 12, 14), format="ncnn", precision="int8", out=tmp_path
    )
    network = read_param(artifact.path)
    *_, first, second = network.layers
    assert first.values[INTEGERS] == second.values[INTEGERS] == "2"
    arrays[first.name] += (arrays[second.name][-1],)  # the scale of what it gives
    first = replace(first, values={**first.values, INTEGERS: "102"})
    chained = replace(network, layers=(*network.layers[:-2], first, second))
    artifact.path.write_text(param_text(chained))
    write_weights(chained, arrays, artifact.path.with_suffix(".bin"))
    assert_right(
        row(open_target("emulator", options=TargetOptions(engines=("ncnn",))), artifact, tmp_path)
    )


@pytest.mark.zoo
@pytest.mark.parametrize("width", [26, 28, 30])
def test_strided_depthwise_convolutions_of_the_arm_library_are_right_in_half_precision(
    folder: Path, tmp_path: Path, width: int
) -> None:
    torch.manual_seed(0)
    target = open_target("emulator", options=TargetOptions(engines=("ncnn",)))
    rule = "ncnn-strided-depthwise"
    for without in ((), (rule,)):
        artifact = export_model(
            Strided(), shape=(1, 3, 10, width), format="ncnn", precision="fp16",
            no_rewrite=without, out=tmp_path / f"without {len(without)}",
        )  # fmt: skip
        output = row(target, artifact, tmp_path).methods["forward"].output
        assert output is not None
        # Without it, rows of 13 outputs are right, and rows of 14 and 15 wrong: ncnn 1.0.20261020.
        assert output.passed == (not without or width // 2 % 4 < 2)


@pytest.mark.zoo
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_every_multiply_add_of_the_arm_library_belongs_to_a_layer(
    folder: Path, precision: PrecisionName
) -> None:
    target = open_target("emulator", options=TargetOptions(engines=("ncnn",)))
    artifact = small(folder, precision)
    codes = operator_codes(target, PLAN, artifact)
    kinds = [kind for kind in param_kinds(artifact) if kind != "Input"]
    assert [each.kind for each in codes.operators] == kinds
    assert sum(each.counts.vector_fma for each in codes.operators) == codes.counts.vector_fma
    within = sum(each.counts.instructions for each in codes.operators)
    assert 0.9 * codes.counts.instructions < within < codes.counts.instructions
    for each in codes.operators:  # reading a blob that is there already takes another branch
        executed = sum(block.instructions for block in each.blocks)
        assert 0 <= executed - each.counts.instructions < 100
    first = next(each for each in codes.operators if each.kind == "Convolution")
    assert first.module == "bn"
    assert (first.counts.fma_fp16 > first.counts.fma_fp32) == (precision == "fp16")
    assert first.counts.vector_fma > 0


def param_kinds(artifact: Artifact) -> list[str]:
    return [layer.type for layer in read_param(artifact.path).layers]


def _at(artifact: Artifact, folder: Path) -> Artifact:
    return replace(artifact, path=folder / artifact.path.name, reference=None, external=())
