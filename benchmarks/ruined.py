"""A classifier that calibration ruins, and what equalisation saves of it.

    seaformer data synth kinds --images 600 --seed 7 --task classification
    python benchmarks/ruined.py kinds [--spread 64]

``seaformer_t.synth_classes`` with each channel between two convolutions with a ReLU multiplied by a
seeded number from 1/SPREAD to SPREAD, and the weights that read it divided by the same: the same
function in float32. Printed are top-1 on the validation images and the agreement of the ONNX file
with PyTorch on a photograph, as the quantizer places the scaled network and equalised. The
limits of the proof are lifted, so that a ruined file can be judged.
"""

from __future__ import annotations

import argparse
import math
import tempfile
from itertools import islice
from pathlib import Path
from typing import Any
from unittest import mock

import torch

from seaformer.core.quantization import ENOUGH_IMAGES, ChannelSpread
from seaformer.core.request import ExportRequest
from seaformer.evaluation.order import EvalOrder, evaluate_order
from seaformer.export import _pipeline, _verify, export_request
from seaformer.export.quantize import _equalise

MODEL = "seaformer_t.synth_classes"


def scaled(spread: float, *, equalised: bool) -> Any:
    """In place of the pipeline's equalisation: scale, then equalise where asked."""

    def change(job: Any, network: Any, calibration: Any) -> tuple[ChannelSpread, ...]:
        images = tuple(islice(calibration.arrays(raw=True), ENOUGH_IMAGES))
        program = torch.export.export(network, (torch.from_numpy(images[0]),))
        generator = torch.Generator().manual_seed(0)
        parameters = dict(network.named_parameters())
        with torch.no_grad():
            for pair in _equalise._pairs(program):
                exponent = 2 * torch.rand(len(parameters[pair.weight]), generator=generator) - 1
                factor = torch.exp(exponent * math.log(spread))
                _equalise._scale(parameters, pair, factor)
        return _equalise.equalise(network, images) if equalised else ()

    return change


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--spread", type=float, default=64.0)
    arguments = parser.parse_args()
    asked = ExportRequest(
        MODEL, "onnx", "int8", checkpoint=MODEL, calibration=str(arguments.data / "train")
    )
    for equalised in (False, True):
        change = scaled(arguments.spread, equalised=equalised)
        with (
            tempfile.TemporaryDirectory() as folder,
            mock.patch.object(_pipeline, "equalised", change),
            mock.patch.object(_verify, "require", return_value=None),
        ):
            made = export_request(asked, Path(folder))
            row = evaluate_order(EvalOrder(arguments.data), (made,))[0]
        name = "equalised" if equalised else "as placed"
        print(f"{name}: top-1 {row.top1:.2f} %, PSNR {made.parity.cases[0].psnr_db:.1f} dB")


if __name__ == "__main__":
    main()
