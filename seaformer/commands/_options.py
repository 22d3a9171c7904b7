"""Options that more than one command has, each written once."""

from __future__ import annotations

from typing import Annotated

import typer

ROWS_SHOWN = 40  # more are too many for a terminal, unless asked for

Variants = Annotated[
    str,
    typer.Option("--variant", help="SeaFormer sizes: t,s,b,l; SeaFormer++: t++, distilled t++kd"),
]
Model = Annotated[str, typer.Option("--model", help="names or globs: seaformer_t.*,seaformer_b")]
Precision = Annotated[str, typer.Option(help="fp32 or fp16")]
Size = Annotated[str, typer.Option(help="image size HxW; the model's own when absent")]
Scope = Annotated[
    str, typer.Option(help="what the graph ends with: logits, upsample, argmax or boxes")
]
Checkpoint = Annotated[str, typer.Option(help="official weights (.pth); seeded when absent")]
Classes = Annotated[int, typer.Option(help="number of classes; 0: the data set's")]
Components = Annotated[
    bool, typer.Option("--components", help="the network's parts too, beside the whole")
]
Results = Annotated[str, typer.Option("--results", help="results folder [$SEAFORMER_RESULTS]")]
AdbHost = Annotated[
    str, typer.Option("--adb-host", help="HOST[:PORT] of another machine's adb server")
]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON instead of a table")]
