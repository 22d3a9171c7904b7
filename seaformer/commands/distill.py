"""``seaformer distill``: train a student that learns from a teacher at twice its resolution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from seaformer.commands._options import grouped
from seaformer.commands._training import Data, Out, RunOptions, run_training
from seaformer.commands._weights import check_weights

if TYPE_CHECKING:
    from seaformer.training.distillation import Distillation


@dataclass(frozen=True)
class TeacherOptions:
    """Whose weights the student learns from, and by which losses."""

    HEADING: ClassVar = "Teacher and losses"
    teacher_checkpoint: Annotated[
        str, typer.Option(help="trained weights: a file, folder or index; seeded when absent")
    ] = ""
    teacher_ema: Annotated[
        bool, typer.Option("--teacher-ema", help="the averaged weights of that checkpoint")
    ] = False
    method: Annotated[
        str, typer.Option(help="cls, cls+out, cls+out+feat, cls+out+feat+cross, half-teacher")
    ] = "cls+out+feat+cross"
    teacher_resolution: Annotated[
        str, typer.Option(help="full or half; the method's when absent")
    ] = ""
    weight_cls: Annotated[
        float | None, typer.Option(help="of the student's cross entropy; the method's when absent")
    ] = None
    weight_cross: Annotated[
        float | None, typer.Option(help="of its stages behind the teacher's head")
    ] = None
    weight_feat: Annotated[
        float | None, typer.Option(help="of the similarity of its stages with the teacher's")
    ] = None
    weight_out: Annotated[
        float | None, typer.Option(help="of the divergence from the teacher's output")
    ] = None


@grouped
def distill(
    teacher: Annotated[str, typer.Option(help="a name of the zoo: seaformer_t.synth")],
    student: Annotated[str, typer.Option(help="a student: seaformerpp_t_kd.synth")],
    data: Data,
    out: Out,
    losses: TeacherOptions,
    run: RunOptions,
) -> None:
    """Distil a teacher at full resolution into a student at half; --resume continues exactly."""
    check_weights(losses.teacher_checkpoint)
    run_training(student, data, out, run, _distillation(teacher, losses))


def _distillation(teacher: str, options: TeacherOptions) -> Distillation:
    from seaformer.training.distillation import Distillation, Weights, method_of

    row = method_of(options.method)
    own = (options.weight_cls, options.weight_cross, options.weight_feat, options.weight_out)
    usual = (row.weights.cls, row.weights.cross, row.weights.feat, row.weights.out)
    pairs = zip(own, usual, strict=True)
    return Distillation(
        teacher=teacher,
        checkpoint=options.teacher_checkpoint,
        ema=options.teacher_ema,
        method=options.method,
        resolution=options.teacher_resolution or row.resolution,
        weights=Weights(*(default if value is None else value for value, default in pairs)),
    )
