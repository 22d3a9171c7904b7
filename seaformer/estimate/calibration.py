"""``Calibration``: the scales of one core, the rows they are made of, and the versions they need.

A file of its own: ``calibrations/sd865.json`` comes with the package, ``seaformer estimate
calibrate`` makes another, without some families or of other rows. Counts depend on the engine, on
LLVM's model and on QEMU, so a calibration holds for the versions that it was made with.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from seaformer.core import codec, files, zoo
from seaformer.core.engine import engines
from seaformer.core.errors import ArtifactError, UsageError
from seaformer.core.estimate import CYCLES, INSTRUCTIONS, ScaleRow, ScaleSummary
from seaformer.core.precision import BASE
from seaformer.core.registry import unknown
from seaformer.estimate.domain import Domain, attends, domain_of, is_dense, unsettled
from seaformer.estimate.evidence import Evidence, dense_share, evidence, family_of
from seaformer.estimate.figures import Figure
from seaformer.estimate.published import CLOCK_GHZ, published, published_cores
from seaformer.estimate.scale import WIDEST, Point, Rule, Scale, best_rule, make_scale
from seaformer.estimate.usable import check_usable

SCHEMA = 1
_SHIPPED = Path(__file__).with_name("calibrations")
_LEAST_ROWS = 3  # of a scale
_PARTS = {"qemu": 1, "llvm": 1}  # leading numbers of a version that have to agree; of engines all
_ALIKE = {"qemu": (("7",), ("8",))}  # in user mode a program executes its own code under both


@dataclass(frozen=True)
class Clock:
    """A core that has no row: the same microarchitecture as ``of``, at another clock."""

    of: str
    ghz: float
    of_ghz: float


# A Raspberry Pi 5 has Cortex-A76 cores at 2.4 GHz; the head of sd855's table has its clock.
_BY_CLOCK = {"rpi5": Clock("sd855", 2.4, 2.84)}


@dataclass(frozen=True)
class Row:
    """One row: what ran, what it executed, and the time it is held against.

    ``source`` is a published table or a measurement. Rows with ``inside`` false are not in a scale.
    """

    model: str
    family: str
    engine: str
    precision: str
    ms: float
    source: str
    instructions: int
    cycles: float
    operators: tuple[str, ...]
    inside: bool


@dataclass(frozen=True)
class Calibration:
    """Scales by engine, precision and what is counted; ``versions`` they hold for.

    ``derived_from`` is another core and how, where no latency of this one is known.
    """

    schema: int
    core: str
    emulated: str
    left_out: tuple[str, ...]
    versions: Mapping[str, str]
    scales: tuple[Scale, ...]
    rows: tuple[Row, ...]
    derived_from: str = ""

    @property
    def doubts(self) -> tuple[str, ...]:
        """Why no estimate of this core is inside; nothing where latencies of it are known."""
        if not self.derived_from:
            return ()
        return (f"no latency of {self.core} is known, its scale is that of {self.derived_from}",)

    def scale(self, engine: str, precision: str, by: str) -> Scale | None:
        """The scale of that engine and precision."""
        key = (engine, precision, by)
        matching = (s for s in self.scales if (s.engine, s.precision, s.by) == key)
        return next(matching, None)

    def domain(self, engine: str, precision: str) -> Domain:
        """What the rows of that engine and precision have."""
        rows = [r for r in self.rows if (r.engine, r.precision, r.inside) == (engine, precision, 1)]
        dense = max((dense_share(row.model) for row in rows), default=0.0)
        return domain_of(((row.operators, row.instructions) for row in rows), dense)

    def check_engine(self, engine: str) -> None:
        """Raise ``UsageError`` where no row was run by that engine."""
        covered = tuple(dict.fromkeys(scale.engine for scale in self.scales))
        if engine not in covered:
            formats = [row.format for row in engines() if row.name in covered]
            raise UsageError(
                f"The calibration of {self.core} does not cover {engine}: "
                f"it covers {', '.join(covered)}.",
                hint="Export the model, or the file, for one of them (seaformer export "
                f"--format {','.join(formats)}), or calibrate with latencies of this engine: "
                "seaformer estimate calibrate --help",
            )

    def check_version(self, name: str, version: str) -> None:
        """Raise ``ArtifactError`` where the calibration was made with another version."""
        stated = self.versions.get(name, "")
        parts = _PARTS.get(name, 0)
        pair = {_leading(stated, parts), _leading(version, parts)}
        if stated and len(pair) > 1 and not pair <= set(_ALIKE.get(name, ())):
            raise ArtifactError(
                f"The calibration of {self.core} holds for {name} {stated} (got {version}).",
                hint="Use a calibration of this version: --calibration FILE",
            )


def shipped_cores() -> tuple[str, ...]:
    """The cores that calibrations come with the package for."""
    return tuple(sorted(path.stem for path in _SHIPPED.glob("*.json")))


def shipped(core: str) -> Calibration:
    """The package's calibration of a core. Raises ``UsageError`` where there is none."""
    if core not in shipped_cores():
        known = ", ".join(shipped_cores())
        raise UsageError(
            f"No calibration covers the core {core!r}: there are calibrations of {known}.",
            hint="Three measured models make one: seaformer estimate calibrate --core NAME "
            "--results results, then --calibration FILE",
        )
    return load(_SHIPPED / f"{core}.json")


def load(path: Path) -> Calibration:
    """Read a calibration.

    Raises ``CorruptArtifact``, ``SchemaTooNew`` for a newer file, ``ArtifactError`` for one without
    scales or versions, or with numbers that scale nothing.
    """
    content = files.read_bytes(path)
    calibration = codec.decode(Calibration, content, where=path.name, newest=SCHEMA)
    check_usable(calibration, path.name)
    return calibration


def save(path: Path, calibration: Calibration) -> None:
    """Write a new file, whole or not at all; one that holds this very calibration is left as it is.

    Raises ``UsageError`` where the name is taken by anything else.
    """
    text = files.json_text(codec.to_json(calibration))
    if path.is_file() and files.read_bytes(path) == text.encode():
        return
    if path.exists():
        raise UsageError(
            f"{path} exists already, and nothing is overwritten.",
            hint="Name a new file: --out FILE",
        )
    files.create_text(path, text)


def calibrate(
    core: str, leave_out: Collection[str] = (), figures: Sequence[Figure] = ()
) -> Calibration:
    """A calibration of published rows and of ``figures``, without the families named.

    Measured figures take the place of published ones of the same engine and precision, where there
    are enough for a scale. Raises ``UnknownName`` for a core without any row, or a family without
    evidence; ``UsageError`` where too few rows are left.
    """
    if core in _BY_CLOCK and not figures:
        return _by_clock(core, calibrate(_BY_CLOCK[core].of, leave_out))
    ghz = None if figures else CLOCK_GHZ.get(core)  # measured rows tell what theirs is worth
    if not figures and core not in published_cores():
        raise unknown("core", core, (*published_cores(), *_BY_CLOCK))
    if core in published_cores():
        figures = (*published(core), *figures)
    bound = _bound(figures, evidence())
    known = sorted({row.family for row, _ in bound})
    for family in leave_out:
        if family not in known:
            raise unknown("family", family, known)
    kept = [(row, counted) for row, counted in bound if row.family not in leave_out]
    rows = tuple(row for row, _ in kept)
    scales = tuple(_scales(rows, [row for row, _ in bound], ghz))
    if not scales:
        inside = sum(row.inside for row in rows)
        raise UsageError(
            f"Too few rows are left to calibrate {core}: a scale needs {_LEAST_ROWS} of one engine "
            "that are inside, with models that counts come with the package for "
            f"(got {inside}, and {len(rows) - inside} outside)."
        )
    return Calibration(
        schema=SCHEMA,
        core=core,
        emulated=kept[0][1].core,
        left_out=tuple(leave_out),
        versions=_versions([counted for _, counted in kept]),
        scales=scales,
        rows=rows,
    )


def _by_clock(core: str, known: Calibration) -> Calibration:
    """Scales of the same core at another clock, with the widest interval."""
    clock = _BY_CLOCK[core]
    slower = clock.of_ghz / clock.ghz
    scales = (
        replace(
            scale,
            ns=scale.ns * slower,
            factor=WIDEST,
            errors={},
            attending_ns=scale.attending_ns and scale.attending_ns * slower,
            rule=Rule(),
        )
        for scale in known.scales
    )
    how = f"{clock.of}, by clocks of {clock.of_ghz:g} and {clock.ghz:g} GHz"
    return replace(known, core=core, scales=tuple(scales), derived_from=how)


def summaries(calibration: Calibration) -> tuple[ScaleSummary, ...]:
    """Each scale, with what its errors are."""
    return tuple(_summary(scale) for scale in calibration.scales)


def shown_rows(calibration: Calibration) -> tuple[ScaleRow, ...]:
    """Each row, with its errors."""
    return tuple(_shown(row, calibration) for row in calibration.rows)


def _summary(scale: Scale) -> ScaleSummary:
    sizes = [abs(error) for error in scale.errors.values()] or [float("nan")]
    return ScaleSummary(
        engine=scale.engine,
        precision=scale.precision,
        by=scale.by,
        ns=scale.ns,
        factor=scale.factor,
        rows=len(scale.errors),
        families=scale.families,
        mean=sum(sizes) / len(sizes),
        worst=max(sizes),
    )


def _shown(row: Row, calibration: Calibration) -> ScaleRow:
    return ScaleRow(
        model=row.model,
        family=row.family,
        engine=row.engine,
        precision=row.precision,
        ms=row.ms,
        source=row.source,
        inside=row.inside,
        by_cycles=_error(row, calibration, CYCLES),
        by_instructions=_error(row, calibration, INSTRUCTIONS),
    )


def _error(row: Row, calibration: Calibration, by: str) -> float | None:
    """Of a row that has no part in a scale, the error of the scale that it would be given."""
    own = calibration.scale(row.engine, row.precision, by)
    scale = own or calibration.scale(row.engine, BASE.name, by)
    if scale is None:
        return None
    if row.inside and own:
        return own.errors.get(row.model)
    return scale.ms(getattr(row, by), attends=attends(row.operators)) / row.ms - 1


def _bound(figures: Sequence[Figure], counted: Sequence[Evidence]) -> list[tuple[Row, Evidence]]:
    """Each figure with the counts of its model, by every engine that it may be of."""
    pairs: dict[tuple[str, str, str], tuple[Row, Evidence]] = {}
    for measured in (False, True):  # measured ones last: they replace
        some = [each for each in figures if each.measured == measured]
        matches = [(f, e) for e in counted for f in some if _is_of(f, e)]
        for key in {(e.engine, e.precision) for _, e in matches} if measured else ():
            if sum((e.engine, e.precision) == key for _, e in matches) >= _LEAST_ROWS:
                pairs = {name: pair for name, pair in pairs.items() if name[1:] != key}
        for figure, each in matches:
            pairs[each.model, each.engine, each.precision] = (_row(figure, each), each)
    return [pairs[key] for key in sorted(pairs)]


def _is_of(figure: Figure, counted: Evidence) -> bool:
    same = (figure.model, figure.precision) == (counted.model, counted.precision)
    return same and figure.engine in ("", counted.engine)


def _row(figure: Figure, counted: Evidence) -> Row:
    unlike = bool(unsettled(counted.operators) or counted.outside)
    dense = is_dense(dense_share(counted.model)) and not figure.measured  # then by this very engine
    return Row(
        model=counted.model,
        family=family_of(zoo.entries()[counted.model].spec),
        engine=counted.engine,
        precision=counted.precision,
        ms=figure.ms,
        source=figure.source,
        instructions=counted.instructions,
        cycles=counted.cycles,
        operators=tuple(sorted(counted.operators)),
        inside=not (unlike or dense),
    )


def _scales(rows: Sequence[Row], every: Sequence[Row], ghz: float | None) -> Iterable[Scale]:
    """Scales of ``rows``; how, is decided with ``every`` row in view, those left out too."""
    inside = [row for row in rows if row.inside]
    for engine, precision in dict.fromkeys((row.engine, row.precision) for row in inside):
        some = _of(inside, engine, precision)
        base = _of(inside, engine, BASE.name) if precision != BASE.name else []
        known = _of([row for row in every if row.inside], engine, precision)
        for by in (CYCLES, INSTRUCTIONS) if len(some) >= _LEAST_ROWS else ():
            rule = best_rule(_points(known, by), 1 / ghz if ghz and by == CYCLES else None)
            yield make_scale((engine, precision, by), _points(some, by), _points(base, by), rule)


def _of(rows: Iterable[Row], engine: str, precision: str) -> list[Row]:
    return [row for row in rows if (row.engine, row.precision) == (engine, precision)]


def _points(rows: Sequence[Row], by: str) -> list[Point]:
    return [Point(r.model, r.family, getattr(r, by), r.ms, attends(r.operators)) for r in rows]


def _versions(counted: Iterable[Evidence]) -> dict[str, str]:
    versions: dict[str, str] = {}
    for each in counted:
        versions |= {"qemu": each.qemu, "llvm": each.llvm, each.engine: each.engine_version}
    return versions


def _leading(version: str, parts: int) -> tuple[str, ...]:
    """The first numbers of a version, all of them where ``parts`` is 0; without a build's name."""
    numbers = tuple(version.partition("+")[0].split("."))
    return numbers[:parts] if parts else numbers
