"""An artifact in lines of text: what it is, how far it was proved, what its backend took."""

from __future__ import annotations

import math

from seaformer.core.artifact import Artifact, Delegation, Parity, ParityCase, TensorInfo
from seaformer.core.checkpoint import LoadedCheckpoint
from seaformer.core.plural import counted
from seaformer.core.quantization import SEARCHED, ModuleNoise, Quantization, Score
from seaformer.report.terminal import Block, Column, Line, Table

_OUTSIDE_SHOWN = 12
_GROUPS_SHOWN = 12
_PLACES_SHOWN = 4
_CANDIDATES_SHOWN = 10
_NOISE_SHOWN = 10


def artifact_page(artifact: Artifact) -> list[Block]:
    """The file's name, and what is known of it below."""
    return [Line(str(artifact.path)), *(Line(each, "", 2, 6) for each in artifact_lines(artifact))]


def artifact_lines(artifact: Artifact) -> list[str]:
    """What ``seaformer export`` prints about one file, below its name."""
    shapes = [
        f"{method.name} {_shapes(method.inputs)} -> {_shapes(method.outputs)}"
        for method in artifact.methods
    ]
    size = f"{artifact.size_bytes / 1e6:.2f} MB, scope {artifact.scope}, {artifact.precision}"
    lines = [f"{size}, {'; '.join(shapes)}"]
    lines += [f"from {artifact.origin}"] if artifact.origin else []
    lines += checkpoint_lines(artifact.checkpoint)
    lines += list(artifact.notes)
    lines += rewrite_lines(artifact)
    lines += sensitivity_lines(artifact.quantization)
    lines += parity_lines(artifact.parity)
    if artifact.delegation is not None:
        lines += delegation_lines(artifact.delegation)
    return lines


def checkpoint_lines(checkpoint: LoadedCheckpoint | None) -> list[str]:
    """What the weights were read as, and what of the file was not used."""
    if checkpoint is None:
        return []
    facts = [f"{checkpoint.layout} names"]
    facts += ["averaged"] if checkpoint.averaged else []
    facts += [f"under {checkpoint.entry}"] if checkpoint.entry else []
    facts += [f"prefix {checkpoint.prefix} removed"] if checkpoint.prefix else []
    facts += [f"zeros for {', '.join(checkpoint.zeros)}"] if checkpoint.zeros else []
    what = "backbone" if checkpoint.backbone else "weights"
    lines = [f"{what}: {checkpoint.file} ({', '.join(facts)})"]
    counted = {"left out": checkpoint.left_out, "seeded": checkpoint.seeded}
    for name, groups in counted.items():
        shown = [f"{key} x{count}" if count > 1 else key for key, count in groups.items()]
        more = f", and {len(shown) - _GROUPS_SHOWN} more" if len(shown) > _GROUPS_SHOWN else ""
        lines += [f"{name}: {', '.join(shown[:_GROUPS_SHOWN])}{more}"] if shown else []
    return lines


def rewrite_lines(artifact: Artifact) -> list[str]:
    """How many modules or operators each rule replaced, where, and the rules left out."""
    counts = ", ".join(f"{name} x{count}" for name, count in artifact.rewrites.items())
    lines = [f"rewrites: {counts}"] if counts else []
    for name, places in artifact.rewritten.items():
        more = f" and {len(places) - _PLACES_SHOWN} more" if len(places) > _PLACES_SHOWN else ""
        where = ", ".join(place or "the network" for place in places[:_PLACES_SHOWN])
        lines.append(f"{name} in {where}{more}")
    if artifact.no_rewrite:
        lines.append(f"not rewritten: {', '.join(artifact.no_rewrite)}")
    return lines


def sensitivity_lines(quantization: Quantization | None) -> list[str]:
    """What each module is worth in float: the table of a search, its largest effects."""
    if quantization is None or quantization.sensitivity is None:
        return []
    result = quantization.sensitivity
    rows = [("nothing more", result.before), *((c.module, c.score) for c in result.candidates)]
    shown = rows[: _CANDIDATES_SHOWN + 1]
    width = max(len(name) for name, _ in shown)
    lines = [
        f"     in float {name:{width}}  SQNR {_decibels(one)}, same class {one.same_class:6.2f} %"
        + ("" if one.lost is None else f", {result.metric} lost {one.lost:+.2f}")
        for name, one in shown
    ]
    if result.images > SEARCHED:
        lines.append(f"     modules on {SEARCHED} of the {result.images} images of the first line")
    more = len(rows) - len(shown)
    return [*lines, f"     and {counted(more, 'more module')}, in the manifest"] if more else lines


def _decibels(score: Score) -> str:
    return "     inf" if score.sqnr_db is None else f"{score.sqnr_db:5.1f} dB"


def noise_page(quantization: Quantization) -> list[Block]:
    """The modules whose outputs are furthest from the float model's, the worst first."""
    worst = sorted(quantization.noise, key=_ratio)[:_NOISE_SHOWN]
    if not worst:
        return [Line("SQNR by module: not available (the operators of the graph are in no module)")]
    columns: tuple[Column[ModuleNoise], ...] = (
        Column("module", lambda each: each.module, key=True),
        Column("SQNR dB", lambda each: _number(each.sqnr_db), key=True),
    )
    return [Table(columns, worst)]


def _ratio(noise: ModuleNoise) -> float:
    return math.inf if noise.sqnr_db is None else noise.sqnr_db


def _number(ratio: float | None) -> str:
    return "inf" if ratio is None else f"{ratio:.1f}"


def parity_lines(parity: Parity) -> list[str]:
    """One ``-[✓]`` or ``-[x]`` line per case or check, and the verdict."""
    lines = [case_line(case) for case in parity.cases]
    lines += [f"-[✓] {check}" for check in parity.checks]
    if parity.verified_by == "structure":
        lines.append(f"-[✓] verified by structure only: {parity.runtime.removeprefix('none: ')}")
    elif parity.max_abs is not None:
        lines.append(f"-[✓] all values close (max abs {parity.max_abs:.1e}; {parity.tolerance})")
    else:
        lines.append(f"-[✓] all class maps agree ({parity.tolerance})")
    return lines


def case_line(case: ParityCase) -> str:
    """One case on one line."""
    mark = "✓" if case.passed else "x"
    if case.max_abs is None or case.relative_error is None:
        figures = "class map"
    else:
        figures = f"max abs {case.max_abs:.1e}, relative {case.relative_error:.1e}"
        if case.psnr_db is not None:
            figures += f", PSNR {case.psnr_db:.1f} dB"
    if case.argmax_agreement is None:
        return f"-[{mark}] {case.input}: {figures}"
    return (
        f"-[{mark}] {case.input}: {figures}, argmax agreement {100 * case.argmax_agreement:.2f} %"
    )


def delegation_lines(delegation: Delegation) -> list[str]:
    """How many subgraphs the backend took, and each operator outside with the reason."""
    mark = "✓" if delegation.outside_compute == 0 else "x"
    lines = [
        f"-[{mark}] {delegation.backend}: {counted(delegation.subgraphs, 'subgraph')} with "
        f"{counted(delegation.delegated_ops, 'operator')}, "
        f"{delegation.outside_compute} computing outside"
    ]
    lines += [
        f"     outside: {op.op} x{op.count}: {op.reason}"
        for op in delegation.outside[:_OUTSIDE_SHOWN]
    ]
    return lines


def _shapes(tensors: tuple[TensorInfo, ...]) -> str:
    return ", ".join(f"{tensor.dtype} {tensor.shape}" for tensor in tensors)
