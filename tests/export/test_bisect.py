"""Bisecting: the module that departs is found, and its folder shows it without seaformer."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from seaformer.core.bisection import WHOLE, Bisection, Gap, ModuleGap
from seaformer.core.errors import ParityError, UsageError
from seaformer.core.request import ExportRequest
from seaformer.export import bisect_request, export_request
from seaformer.export._bisect.folder import script
from seaformer.export._bisect.probe import Probed, plan_of
from seaformer.export._job import open_job
from seaformer.export._shared import Shared
from seaformer.export._steps import Steps
from seaformer.report.bisection import bisection_page
from seaformer.report.terminal import lines
from tests import nets


def request(net: str, precision: str, format: str = "onnx", **fields: object) -> ExportRequest:
    base = {"precision": precision, "module": f"tests.nets:{net}", "shape": (1, 3, 64, 64)}
    return ExportRequest(net, format, **(base | fields))  # type: ignore[arg-type]


class Averaged(nn.Module):
    """A value that two averages read, which is an answer while modules are looked at."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Conv2d(3, 16, 3, 4, 1)
        self.head = nn.Conv2d(16, 3, 1)

    def forward(self, image: Tensor) -> Tensor:
        x = self.stem(image)
        answer: Tensor = self.head(x.mean(3, keepdim=True) + x.mean(2, keepdim=True))
        return answer


def reproduced(found: Bisection) -> subprocess.CompletedProcess[str]:
    """The script of a folder, in a process of its own."""
    argv = [sys.executable, "-P", "reproduce.py"]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    return subprocess.run(
        argv, cwd=found.folder, env=environment, capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip


@pytest.mark.slow
def test_a_module_that_integers_ruin_is_found_and_shown_by_a_script(tmp_path: Path) -> None:
    asked = request("Ruined", "int8")
    found = bisect_request(asked, tmp_path)
    assert (found.first, found.smallest) == ("body.2", "body.2")
    by_name = {row.module: row for row in found.rows}
    assert list(by_name) == ["stem", "body.0", "body.1", "body.2", "head", WHOLE]
    assert by_name["body.2"].before.sqnr_db is not None
    assert by_name["body.2"].before.sqnr_db > 20
    assert by_name["body.2"].after.departs(found.least_db)
    assert not by_name["body.1"].after.departs(found.least_db)
    (folder,) = tmp_path.iterdir()
    assert str(folder) == found.folder
    text = (folder / "reproduce.py").read_text()
    assert "seaformer" not in text
    done = reproduced(found)
    assert done.returncode == 1, done.stderr
    assert "SQNR of each output in dB (at least 10 is expected)" in done.stdout
    before = {path: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(UsageError, match="exists already, and nothing is overwritten"):
        bisect_request(asked, tmp_path)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_a_file_that_integers_ruin_is_refused_with_the_module(tmp_path: Path) -> None:
    with pytest.raises(ParityError, match=r"The first module under 10 dB is body\.2 \(SQNR ") as at:
        export_request(request("Ruined", "int8"), tmp_path)
    assert "--int8-keep NAME" in at.value.hint
    assert not list(tmp_path.iterdir())


def test_a_network_without_such_a_module_is_reported_as_that(tmp_path: Path) -> None:
    found = bisect_request(request("gated", "int8"), tmp_path / "out")
    assert found.first is None
    assert not (tmp_path / "out").exists()
    text = "\n".join(
        "".join(span.text for span in line) for line in lines(bisection_page(found), 80)
    )
    assert "No module departs: 10 dB or more everywhere." in text


@pytest.mark.slow
def test_values_that_are_read_inside_as_well_are_answers_of_an_executorch_program(
    tmp_path: Path,
) -> None:
    asked = request("Averaged", "int8", "executorch", module=f"{__name__}:Averaged")
    found = bisect_request(asked, tmp_path)
    assert [row.module for row in found.rows] == ["stem", "head", WHOLE]
    assert all((row.after.sqnr_db or 99) > 25 for row in found.rows), found.rows
    assert found.first is None


@pytest.mark.slow
@pytest.mark.parametrize("format", ["onnx", "executorch"])
def test_a_module_that_overflows_inside_is_found(format: str, tmp_path: Path) -> None:
    found = bisect_request(request("Overflowing", "fp16", format), tmp_path)
    assert (found.first, found.smallest) == ("body.0", "body.0")
    assert "float16 ends at 65504" in found.reason
    assert {row.module for row in found.rows if row.overflows} == {"body.0", "body.1"}
    assert reproduced(found).returncode == 1


@pytest.mark.slow
def test_a_network_s_own_operators_are_blamed_before_its_first_module(tmp_path: Path) -> None:
    found = bisect_request(request("Peak", "fp16", "executorch"), tmp_path)
    assert found.rows[0].before.departs(found.least_db)
    assert (found.first, found.smallest) == (WHOLE, WHOLE)


def test_a_module_s_name_is_no_part_of_the_script_that_runs(tmp_path: Path) -> None:
    hostile = 'a"""\nraise SystemExit(3)\n"""\\'
    asked = request("gated", "fp16")
    job = open_job(asked, tmp_path, Steps(None), None, Shared())
    found = Bisection(hostile, "onnx", "fp16", 30.0, Gap(), (), "body", "", hostile)
    module = ast.parse(script(found, job, "model.onnx"))
    plain = ast.parse(script(replace(found, model="net", smallest="body"), job, "model.onnx"))
    assert [type(each) for each in module.body] == [type(each) for each in plain.body]
    assert "SystemExit" in str(ast.get_docstring(module))


def test_a_page_fits_eighty_columns_whatever_the_modules_are_called() -> None:
    rows = tuple(
        ModuleGap(f"context.stages.{i}.layers.0.attention.columns.encode.projection#12",
                  Gap(12.5), Gap(finite=False), 3.801e5, overflows=True)
        for i in range(3)
    )  # fmt: skip
    found = Bisection("net", "onnx", "fp16", 30.0, Gap(), rows, rows[0].module, "it departs")
    shown = list(lines(bisection_page(found), 80))
    assert all(sum(len(span.text) for span in line) <= 80 for line in shown)
    text = "\n".join("".join(span.text for span in line) for line in shown)
    assert text.count("not finite") == text.count("overflows") == 3


def test_values_between_modules_are_those_that_readers_get() -> None:
    network, image = nets.Gated().eval(), torch.randn(1, 3, 16, 16)
    plan = plan_of(network, image)
    assert [site.name for site in plan.sites] == [
        "stem",
        "depthwise",
        "project",
        "gate",
        "head",
        "",
    ]
    with torch.no_grad():
        values = Probed(network, plan.values)(image)
        stem = torch.relu(network.stem(image))
        head = network(image)
    by_name = {site.name: values[site.after[0]] for site in plan.sites}
    assert torch.equal(by_name["stem"], stem)  # not what is before the ReLU, its only reader
    assert torch.equal(by_name["head"], head)
    gate = by_name["gate"]
    assert 0 <= float(gate.min()) < float(gate.max()) <= 1


def test_what_cannot_be_bisected_is_refused_in_a_sentence(tmp_path: Path) -> None:
    for fields, sentence in (
        ({"precision": "int8", "keep": ("auto",)}, "--bisect does not support --int8-keep auto"),
        ({"precision": "fp16", "input": "uint8"}, "--bisect does not support --input uint8"),
        ({"precision": "fp32", "format": "ncnn"}, "--bisect is supported for executorch and onnx"),
    ):
        base = {"net": "gated", **fields}
        with pytest.raises(UsageError, match=sentence):
            bisect_request(request(**base), tmp_path)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_convolution_without_a_name_is_exported_in_integers(tmp_path: Path) -> None:
    made = export_request(request("lone", "int8"), tmp_path)
    assert made.quantization is not None
    assert made.quantization.noise == ()
