"""``write_pack``: a bench as one file, to run by hand on a board without a connection.

    seaformer-board/run.sh            one script; it makes seaformer-answer.tar
    seaformer-board/bundle/           the runner and its libraries
    seaformer-board/files/            models and inputs, by their sha256
    seaformer-board/probe.sh state.sh what a board is, and its state (``android_bench/board.py``)

The script chooses the cores as ``rank_clusters`` does, in awk; ``answer.py`` checks that they are
those, and makes measurements of the answer. What was packed is recorded in the cache, so that
nothing but outputs, times and the board's own texts is taken from the file that comes back.
"""

from __future__ import annotations

import hashlib
import io
import json
import shlex
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from seaformer.android_bench.board import PROBE, READ
from seaformer.android_bench.job import ENVIRONMENT
from seaformer.bench import inputs, schedule
from seaformer.bench.runner_io import RunnerRequest
from seaformer.bench.target import check_listed
from seaformer.core import codec, files
from seaformer.core.artifact import Artifact
from seaformer.core.cpu import list_cores, parse_cpu_list
from seaformer.core.errors import UsageError
from seaformer.core.foreign import Foreign
from seaformer.core.plan import RunPlan
from seaformer.core.scratch import temporary_folder
from seaformer.runtime.build.bundle import Bundle, BundleManifest

SCHEMA = 1
HOME = "seaformer-board"
ANSWER = "seaformer-answer.tar"
DATE = "section date; date -u +%Y-%m-%dT%H:%M:%S+00:00\n"

_RUN = r"""#!/bin/sh
# Measures what seaformer packed, and makes seaformer-answer.tar:  sh run.sh
cd "$(dirname "$0")" || exit 1
fail() { echo "$1" >&2; exit 1; }
case $(uname -m) in
  aarch64|arm64) ;;
  *) fail "This computer must be 64-bit ARM (got $(uname -m)).";;
esac
sha256sum -c sums > /dev/null || fail "A file is damaged: copy seaformer-board.tar again."
rm -rf answer && mkdir answer || fail "This folder must be writable."
cp id answer/id
sh probe.sh "$PWD" > answer/probe 2>/dev/null
cpus=$(CORES)
[ -n "$cpus" ] || fail "The plan's threads do not fit on the cores that it names."
pin=
if command -v taskset > /dev/null; then pin="taskset -c $cpus"; fi
echo "Measuring on core $cpus."
run() {
  k=$1
  shift
  echo "process $((k + 1)) of TOTAL"
  mkdir "answer/$k.out"
  sh state.sh "${cpus%%,*}" busy "$PWD" > "answer/$k.before" 2>/dev/null
  $pin RUNNER "$@" --cpus "$cpus" --output-dir "answer/$k.out" \
    > "answer/$k.json" 2> "answer/$k.err" < /dev/null
  echo $? > "answer/$k.code"
  sh state.sh "${cpus%%,*}" "" "$PWD" > "answer/$k.after" 2>/dev/null
}
ENVIRONMENT
RUNS
tar -cf seaformer-answer.tar answer && rm -r answer || fail "The answer could not be written."
echo "Bring back: $PWD/seaformer-answer.tar"
"""
# core/cpu.py: rank_clusters, and bench/target.py: choose_cores. Tested against both.
_CHOOSE = r"""{
  cat /proc/cpuinfo
  n=0
  while [ -d /sys/devices/system/cpu/cpu$n ]; do
    core=/sys/devices/system/cpu/cpu$n
    capacity= khz= related=
    { read -r capacity < $core/cpu_capacity; } 2>/dev/null
    { read -r khz < $core/cpufreq/cpuinfo_max_freq; } 2>/dev/null
    { read -r related < $core/cpufreq/related_cpus; } 2>/dev/null
    echo "@ $n ${capacity:-0} ${khz:-0} $related"
    n=$((n + 1))
  done
} | awk -v kind=KIND -v threads=THREADS -v table="TABLE" '
BEGIN {
  rows = split(table, row, " ")
  for (i = 1; i <= rows; i++) { split(row[i], pair, "="); speed[pair[1]] = pair[2] }
}
$1 == "processor" && $2 == ":" { cpu = $3; online[cpu] = 1 }
$1 == "CPU" && $2 == "implementer" { maker[cpu] = $4 }
$1 == "CPU" && $2 == "part" { part[cpu] = $4 }
$1 == "@" && ($2 in online) {
  name = maker[$2] ":" part[$2]
  key = name
  for (i = 3; i <= NF; i++) key = key " " $i
  if (!(key in id)) {
    id[key] = ++n
    capacity[n] = $3 + 0; core[n] = speed[name] + 0; khz[n] = $4 + 0
    if (!capacity[n]) nocapacity = 1
    if (!core[n]) nocore = 1
    if (!khz[n]) nokhz = 1
  }
  cpus[id[key]] = cpus[id[key]] " " $2
}
END {
  for (i = 1; i <= n; i++) {
    a[i] = nocapacity ? 1 : capacity[i]
    c[i] = nokhz ? 1 : khz[i]
    b[i] = (nocore ? 1 : core[i]) * c[i]
    for (j = i; j > 1 && slower(i, order[j - 1]); j--) order[j] = order[j - 1]
    order[j] = i
  }
  chosen = kind == "little" ? order[1] : kind == "big" && n > 2 ? order[n - 1] : order[n]
  count = split(cpus[chosen], list, " ")
  if (count < threads) exit 1
  for (i = count - threads + 1; i <= count; i++) text = text (text == "" ? "" : ",") list[i]
  print text
}
function slower(x, y) {
  if (a[x] != a[y]) return a[x] < a[y]
  if (b[x] != b[y]) return b[x] < b[y]
  return c[x] < c[y]
}'"""


@dataclass(frozen=True)
class PackedArtifact:
    """An artifact, and what its own JSON leaves out: where it is here, how it is run."""

    path: str
    artifact: Artifact
    foreign: Foreign | None = None


@dataclass(frozen=True)
class PackedRun:
    """One process: the number of the artifact, and the method."""

    artifact: int
    method: str


@dataclass(frozen=True)
class PackRecord:
    """What was packed; ``id`` is a digest of the rest."""

    schema: int
    id: str
    plan: RunPlan
    command: str
    bundle: BundleManifest
    artifacts: tuple[PackedArtifact, ...]
    runs: tuple[PackedRun, ...]


def record_path(pack_id: str) -> Path:
    """Where the record of a pack is kept."""
    return files.cache_dir() / "packs" / f"{pack_id}.json"


def write_pack(
    out: Path, artifacts: Sequence[Artifact], plan: RunPlan, bundle: Bundle, command: str
) -> PackRecord:
    """Write ``out``, a tar file that holds everything, and its record.

    Raises ``UsageError`` for a list of cores with another number of threads, and as ``check_out``.
    """
    check_out(out)
    record = _record(artifacts, plan, bundle, command)
    with temporary_folder("pack") as folder, files.staging(files.make_dir(out.parent)) as scratch:
        target = scratch / out.name
        with files.os_errors(str(out)), tarfile.open(target, "w") as tar:
            _fill(_Pack(tar), record, artifacts, bundle, folder)
        files.publish(target, out)
    files.write_json(record_path(record.id), codec.to_json(record))
    return record


def check_out(out: Path) -> None:
    """Raise ``UsageError`` where ``out`` cannot be written, or is not to be a tar file."""
    if out.suffix != ".tar" or out.is_dir():
        raise UsageError(f"--out must be a .tar file (got {out}{'/' if out.is_dir() else ''}).")
    files.check_dir(out.parent)


class _Pack:
    """A tar file that holds each content once, and lists the hashes of what is in it."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self._names: set[str] = set()
        self.sums: list[str] = []

    def content(self, source: Path) -> str:
        """Add a file under a name of its content, unless it is there."""
        digest = files.sha256_file(source)
        return self._add(source, f"files/{digest}{source.suffix}", digest)

    def file(self, source: Path, name: str) -> str:
        """Add a file under ``name``, unless it is there."""
        return self._add(source, name, files.sha256_file(source))

    def _add(self, source: Path, name: str, digest: str) -> str:
        if name not in self._names:
            self._names.add(name)
            info = self._tar.gettarinfo(source, f"{HOME}/{name}")
            info.mode, info.uid, info.gid, info.uname, info.gname = 0o755, 0, 0, "", ""
            with source.open("rb") as handle:
                self._tar.addfile(info, handle)
            self.sums.append(f"{digest}  {name}")
        return name

    def text(self, name: str, text: str) -> None:
        info = tarfile.TarInfo(f"{HOME}/{name}")
        data = text.encode()
        info.size, info.mode = len(data), 0o755
        self._tar.addfile(info, io.BytesIO(data))


def _record(
    artifacts: Sequence[Artifact], plan: RunPlan, bundle: Bundle, command: str
) -> PackRecord:
    units = [
        PackedRun(number, method)
        for number, artifact in enumerate(artifacts)
        for method in schedule.methods(plan, artifact)
    ]
    runs = [
        units[index]
        for order in schedule.rounds(len(units), plan.processes, plan.seed)
        for index in order
    ]
    packed = tuple(PackedArtifact(str(each.path), each, each.foreign) for each in artifacts)
    record = PackRecord(SCHEMA, "", plan, command, bundle.manifest, packed, tuple(runs))
    text = json.dumps(codec.to_json(record), sort_keys=True)
    return replace(record, id=hashlib.sha256(text.encode()).hexdigest()[:16])


def _fill(
    pack: _Pack, record: PackRecord, artifacts: Sequence[Artifact], bundle: Bundle, folder: Path
) -> None:
    for part in bundle.manifest.files:
        pack.file(bundle.folder / part.name, f"bundle/{part.name}")
    commands = {}
    for run in dict.fromkeys(record.runs):  # each is repeated in every process of the plan
        artifact = artifacts[run.artifact]
        prepared = inputs.prepare(artifact, folder / f"{run.artifact}-{run.method}", run.method)
        request = inputs.request_of(artifact, run.method, record.plan, prepared)
        there = _there(pack, request, artifact)
        library = bundle.library(request.engine, "bundle")
        commands[run] = shlex.join(replace(there, library=library).argv())
    lines = [f"run {number} {commands[run]}" for number, run in enumerate(record.runs)]
    pack.text("id", record.id + "\n")
    pack.text("probe.sh", PROBE)
    pack.text("state.sh", READ + DATE)
    pack.text("sums", "\n".join(pack.sums) + "\n")
    pack.text("run.sh", _script(record, bundle, lines))


def _there(pack: _Pack, request: RunnerRequest, artifact: Artifact) -> RunnerRequest:
    """The request with the paths of the pack; a model with external weights has a folder."""
    if not request.external:
        model = pack.content(Path(request.model))
    else:
        model_file, folder = Path(request.model), f"files/{artifact.sha256}.d"
        for each in request.external:
            name = Path(each).relative_to(model_file.parent).as_posix()
            pack.file(Path(each), f"{folder}/{name}")
        model = pack.file(model_file, f"{folder}/{model_file.name}")
    return replace(
        request, model=model, inputs=tuple(pack.content(Path(path)) for path in request.inputs)
    )


def _script(record: PackRecord, bundle: Bundle, lines: Sequence[str]) -> str:
    parts = {
        "CORES": choose_script(record.plan.core, record.plan.threads),
        "TOTAL": str(len(record.runs)),
        "RUNNER": shlex.join(bundle.argv("./bundle")),
        "ENVIRONMENT": ENVIRONMENT,
        "RUNS": "\n".join(lines),
    }
    return _filled(_RUN, parts)


def choose_script(core: str, threads: int) -> str:
    """The commands that print the cores of a plan with commas between, or nothing."""
    if core not in ("prime", "big", "little"):
        return f"echo {shlex.quote(_fixed(core, threads))}"
    table = " ".join(
        f"{row.implementer}:{row.part}={row.capacity}" for row in list_cores() if row.capacity
    )
    return _filled(_CHOOSE, {"KIND": core, "THREADS": str(threads), "TABLE": table})


def _fixed(core: str, threads: int) -> str:
    """The cores that a plan lists. Raises ``UsageError`` when they are not one for each thread."""
    try:
        cpus = parse_cpu_list(core)
    except ValueError as error:
        raise UsageError(
            f"--core must be prime, big, little or a list of cores (got {core!r})."
        ) from error
    check_listed(core, cpus, threads)
    return ",".join(map(str, cpus))


def _filled(text: str, parts: dict[str, str]) -> str:
    """The text with the first of each word replaced."""
    for word, value in parts.items():
        before, _, after = text.partition(word)
        text = before + value + after
    return text
