"""``Precision``: what weights and arithmetic are stored and computed in; one row each.

A new precision is a row here and, where casting is not enough, a converter in the format files.
Nothing else is chosen by a precision's name: what depends on it is a field of the row.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from seaformer.core.registry import unknown


@dataclass(frozen=True)
class Tolerance:
    """What counts as equal: ``relative_error`` is max abs over the reference's std.

    ``psnr_db`` bounds the mean squared error, against the reference's range; 0 asks for nothing.
    A classifier has one position per image, where agreement is all or nothing: its winner has to
    be among the reference's best ``top``.
    """

    relative_error: float
    argmax_agreement: float
    psnr_db: float = 0.0
    top: int = 1

    def __str__(self) -> str:
        psnr = f"PSNR >= {self.psnr_db:g} dB, " if self.psnr_db else ""
        return (
            f"relative error <= {self.relative_error:g}, {psnr}"
            f"argmax agreement >= {100 * self.argmax_agreement:g} %"
        )


@dataclass(frozen=True)
class Precision:
    """One row.

    Attributes:
        name: what a user types, and part of a file's name.
        dtype: numpy's name of the type that is computed in.
        lanes: values in one 128-bit register, so multiply-accumulates of one vector instruction.
        rounding: the relative error of storing one number, and ``smallest`` the absolute one.
        tolerance: how far a file may be from the eager model.
        inner_sqnr_db: power of a module's output over that of its error, least that is tolerated
            inside of a network.
        calibrated: whether an export needs calibration images.
        paper_latency: the field of ``PaperRow`` with the paper's latency, or "".
        counted: the field of ``Counts`` with the vector multiply-accumulates computed in it.
        cpu_feature: what Linux calls the ARM feature that computes in it, "" where all cores do.
        on_x86: whether x86 kernels compute in it; where not, they convert to ``BASE`` and back.
        device_property: the property of a ``DeviceInfo`` that reports whether its cores have it.
    """

    name: str
    dtype: str
    lanes: int
    rounding: float
    smallest: float
    tolerance: Tolerance
    inner_sqnr_db: float = 10.0
    calibrated: bool = False
    paper_latency: str = ""
    counted: str = ""
    cpu_feature: str = ""
    on_x86: bool = True
    device_property: str = ""


PRECISIONS = (
    # Rounding alone, amplified by softmax and depth, gives 2e-5 to 6e-5 (seeded SeaFormer T to L,
    # both runtimes); the mildest structural mistake tried gives 2e-2.
    Precision(
        "fp32",
        dtype="float32",
        lanes=4,
        rounding=1e-6,
        smallest=1e-9,
        tolerance=Tolerance(5e-4, 0.999),
        inner_sqnr_db=60.0,
        paper_latency="latency_ms",
        counted="fma_fp32",
    ),
    # 11 bits: errors are judged by their size against the output's spread, by their mean and by
    # the classes that win, never by one absolute figure. Rounding alone, seeded T to L on
    # photographs and noise up to 512x512, gives on x86 (which adds in single precision) relative
    # errors to 0.15, 60 dB or more and 98 % of the classes or more; on an ARM core, which adds in
    # half, 0.32, 54.7 dB and 95 % (seeded weights have many near ties). A bias off by one gives
    # 49 dB, a gate without its half 26 dB. A weight off by 1 % drowns in rounding (59 to 64 dB):
    # that is what the file in single precision, made from the same graph, is there to show.
    Precision(
        "fp16",
        dtype="float16",
        lanes=8,
        rounding=2.0**-10,
        smallest=1e-7,  # below 6e-8 a half rounds to zero or to a subnormal
        tolerance=Tolerance(0.5, 0.9, 52.0, top=5),
        inner_sqnr_db=30.0,
        paper_latency="latency_fp16_ms",
        counted="fma_fp16",
        cpu_feature="asimdhp",
        on_x86=False,
        device_property="fp16_arithmetic",
    ),
    # Codes of 8 bits, one scale a tensor: the error of a sum is about that of each of its codes, so
    # no bound on one value separates rounding from a mistake. Seeded SeaFormer-T has, on the
    # photographs it was calibrated on (64x96 and 128x128, both engines), relative errors to 1.6,
    # 34.8 dB or more and 71 % of the classes; trained for 300 iterations on generated scenes, 89 %
    # and 33 dB on photographs it never saw, 91 to 98 % on scenes. A mistake in one bias or gate
    # drowns in that: files in fp32 from the same graph show those, and the comparison of each file
    # with its own fake-quantised model (``export/quantize/_proof.py``) shows wrong kernels.
    Precision(
        "int8",
        dtype="int8",
        lanes=16,
        rounding=0.5 / 127,
        smallest=1e-7,
        tolerance=Tolerance(3.0, 0.5, 28.0, top=5),
        inner_sqnr_db=10.0,
        calibrated=True,
        counted="multiply_int8",
    ),
)
PrecisionName = Literal["fp32", "fp16", "int8"]  # the names of the rows, for type checkers
DEFAULT_PRECISION: PrecisionName = "fp32"
BASE = PRECISIONS[0]  # what networks are written in: it needs no conversion


def precisions() -> tuple[Precision, ...]:
    """Every row. Read through this function, so that a row that is added later is seen."""
    return PRECISIONS


def names() -> tuple[str, ...]:
    """Every precision by name, in the order of the rows."""
    return tuple(row.name for row in precisions())


def find_precision(name: str) -> Precision:
    """The row of that name. Raises ``UnknownName`` with the nearest."""
    for row in precisions():
        if row.name == name:
            return row
    raise unknown("precision", name, names())


def tolerance_of(name: str) -> Tolerance:
    """That of the row, or the widest one for a precision that only foreign files have (int8)."""
    rows = [row for row in precisions() if row.name == name] or precisions()
    return max(rows, key=lambda row: row.tolerance.relative_error).tolerance


def rank(name: str) -> int:
    """The place of a precision in a table; one that has no row, in a newer file, comes last."""
    return names().index(name) if name in names() else len(precisions())


def lacking(features: Collection[str]) -> tuple[Precision, ...]:
    """The precisions that cores with these features convert to ``BASE`` and back."""
    return tuple(r for r in precisions() if r.cpu_feature and r.cpu_feature not in features)


def arithmetic(features: Collection[str]) -> dict[str, str]:
    """Whether cores with these features compute in each precision: a property each of a device."""
    answers = {row.device_property: "yes" for row in precisions() if row.device_property}
    for row in lacking(features):
        missing = f"its cores lack {row.cpu_feature}"
        answer = f"no: {missing}, engines compute {row.name} files in {BASE.name}"
        answers[row.device_property] = answer
    return answers
