"""``Artifact``: an exported model file and the manifest that lies beside it.

The manifest is named like the file plus ``.json``. It holds what the file computes, how it was
made and how far it was proved to agree with the PyTorch model; never how to run it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from seaformer.core import codec, files
from seaformer.core.absent import absent
from seaformer.core.checkpoint import LoadedCheckpoint
from seaformer.core.checksums import check_sha256
from seaformer.core.cost import StepCost
from seaformer.core.engine import engines
from seaformer.core.errors import CorruptArtifact, UsageError
from seaformer.core.foreign import Foreign
from seaformer.core.free import FreeAxis
from seaformer.core.manifest import check_manifest
from seaformer.core.preprocessing import Labels, Preprocessing
from seaformer.core.quantization import Quantization
from seaformer.core.spec import ModelSpec

SCHEMA = 1
SCOPES_OF = {  # what a graph may end with, by task; every format writes them all
    "segmentation": ("logits", "upsample", "argmax"),
    "classification": ("logits", "argmax"),
    "detection": ("logits", "boxes"),
    "other": ("logits",),
}
SCOPES = tuple(dict.fromkeys(scope for scopes in SCOPES_OF.values() for scope in scopes))
ScopeName = Literal["logits", "upsample", "argmax", "boxes"]  # SCOPES, for type checkers
FORWARD = "forward"
PARTS = ".parts"
REFERENCE, OPERATORS = ".reference.npz", ".operators.json"
_BESIDE = (PARTS, REFERENCE, OPERATORS)


@dataclass(frozen=True)
class TensorInfo:
    """An input or output: ``dtype`` is a numpy name (``float32``, ``float16``, ``int64``)."""

    name: str
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Method:
    """One callable: ``forward``, or a component of the network.

    A format that holds one graph per file keeps a component in a ``file`` of its own, in a folder
    beside the artifact (``<artifact>.parts/stem.onnx``), with its ``sha256``; there it is called
    ``forward``.
    """

    name: str
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    file: str = ""
    sha256: str = ""


@dataclass(frozen=True)
class OutsideOperator:
    """An operator the backend did not take. ``computes`` is false for copies and bookkeeping."""

    op: str
    count: int
    computes: bool
    reason: str


@dataclass(frozen=True)
class Delegation:
    """How much of the graph one backend took: ``subgraphs`` pieces, and what stayed outside."""

    backend: str
    subgraphs: int
    delegated_ops: int
    outside: tuple[OutsideOperator, ...]

    @property
    def outside_compute(self) -> int:
        """Operators that compute and are not delegated: 0 is best."""
        return sum(op.count for op in self.outside if op.computes)


@dataclass(frozen=True)
class ParityCase:
    """Agreement with the eager model on one input.

    ``input`` names it: ``china.jpg`` for the whole network, ``stem:china.jpg`` for a component.
    ``psnr_db`` is against the reference's peak-to-peak range (``None``: bit-equal, infinite);
    ``argmax_agreement`` is the fraction of positions whose best class is the same (1.0: all;
    ``None``: features, which have no classes);
    ``relative_error`` is max abs over the reference's standard deviation. A class map (scope
    ``argmax``) has neither: ``None``.
    """

    input: str
    max_abs: float | None
    relative_error: float | None
    psnr_db: float | None
    argmax_agreement: float | None
    passed: bool


@dataclass(frozen=True)
class Parity:
    """The worst figures of the whole network, all cases, and by what the file was judged.

    ``verified_by`` is ``prediction`` when the file was run, ``structure`` when this machine
    cannot run the format and only operators, shapes, weights and a reload were checked.
    ``runtime`` is the engine that ran the file, or ``none:`` and the reason.
    """

    verified_by: str
    runtime: str
    max_abs: float | None
    relative_error: float | None
    psnr_db: float | None
    argmax_agreement: float | None
    tolerance: str
    cases: tuple[ParityCase, ...]
    checks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reference:
    """The eager model's answer on the photograph, kept in ``file`` beside the artifact.

    The ``.npz`` holds ``input`` (1, 3, H, W) float32 and ``output_<method>_<i>``, subsampled in
    its last two axes by ``stride`` so that the file stays small; an output that is an input of
    another method is complete. ``inputs`` and ``outputs`` name the arrays of each method.
    """

    file: str
    sha256: str
    photograph: str
    stride: int
    inputs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    outputs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def inputs_of(self, method: str) -> tuple[str, ...]:
        """Names of the arrays that a method takes."""
        return self.inputs.get(method, ("input",))

    def outputs_of(self, method: str) -> tuple[str, ...]:
        """Names of the arrays that a method should answer with."""
        return self.outputs.get(method, (f"output_{method}_0",))


@dataclass(frozen=True)
class SideFile:
    """A file beside the artifact."""

    file: str
    sha256: str


@dataclass(frozen=True)
class Artifact:
    """The manifest of one exported file, or of a file without one (``foreign``).

    ``file`` is the name beside the manifest; ``path`` is where it was found and is not stored.
    ``operator_map`` is which module each operator is from (``operators.OperatorMap``).
    ``rewrites`` counts the modules and operators that each rule replaced, ``rewritten`` has
    the paths of the modules where rules of operators applied; ``no_rewrite`` are rules left out.
    ``origin`` is what a network that is not of the zoo came from.
    ``checkpoint`` is what the weights were read as; ``None`` where they are seeded.
    ``external`` are the files beside it that hold its weights; then ``sha256`` is a digest of all
    (``joint_sha256``), and ``size_bytes`` is their sum.
    ``preprocessing`` and ``labels`` are ``None`` where they are unknown, as of most modules.
    ``quantization`` is ``None`` of a file that computes in floating point.
    ``free_axes`` of the input take other sizes than those of ``spec``, which were exported.
    ``steps`` are what making the file took; ``kinds`` are the classes of modules that rules of
    rewriting were compared with: an edit of a rule for another class does not concern the file.
    """

    schema: int
    file: str
    spec: ModelSpec
    format: str
    precision: str
    scope: str
    sha256: str
    size_bytes: int
    methods: tuple[Method, ...]
    exporter: str
    created_at: str
    parity: Parity
    tools: Mapping[str, str]
    operators: Mapping[str, int]
    opset: int | None = None
    delegation: Delegation | None = None
    reference: Reference | None = None
    notes: tuple[str, ...] = ()
    operator_map: SideFile | None = None
    rewrites: Mapping[str, int] = field(default_factory=dict)
    no_rewrite: tuple[str, ...] = ()
    rewritten: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    origin: str = ""
    checkpoint: LoadedCheckpoint | None = None
    external: tuple[SideFile, ...] = ()
    preprocessing: Preprocessing | None = None
    labels: Labels | None = None
    quantization: Quantization | None = None
    free_axes: tuple[FreeAxis, ...] = ()
    steps: tuple[StepCost, ...] = ()
    kinds: tuple[str, ...] = ()
    path: Path = field(default=Path(), compare=False, metadata={"transient": True})
    foreign: Foreign | None = field(default=None, compare=False, metadata={"transient": True})

    @property
    def model(self) -> str:
        return self.spec.name

    @property
    def graph(self) -> str:
        """What the graph holds around the network, as results have it: ``uint8+argmax``.

        A file with free sizes is another graph than one whose sizes are fixed: ``free+logits``.
        """
        parts = [self.scope]
        if self.free_axes:
            parts.insert(0, "free")
        if self.preprocessing is not None and self.preprocessing.raw:
            parts.insert(0, self.preprocessing.input)
        return "+".join(parts)

    @property
    def runtime(self) -> str:
        """The name of the engine that runs this format; the format's own where there is none."""
        return next((e.name for e in engines() if e.format == self.format), self.format)

    @property
    def components(self) -> tuple[str, ...]:
        """Methods beside ``forward``, in the order they run."""
        return tuple(method.name for method in self.methods if method.name != FORWARD)

    @property
    def weight_files(self) -> tuple[str, ...]:
        """Files in or below the model's folder that hold its weights."""
        names = self.foreign.external if self.foreign else ()
        return (*names, *(side.file for side in self.external))

    def callable_of(self, name: str) -> tuple[Path, str]:
        """The file that holds a method, and what the method is called in there."""
        method = self.method(name)
        if method.file:
            return self.path.parent / method.file, FORWARD
        return self.path, name

    def method(self, name: str) -> Method:
        """The method of that name. Raises ``CorruptArtifact`` when the file has none."""
        for method in self.methods:
            if method.name == name:
                return method
        known = ", ".join(method.name for method in self.methods)
        raise CorruptArtifact(f"{self.file} has no method {name!r}; it has {known}.")


def manifest_path(path: Path) -> Path:
    """Where the manifest of an artifact file lies."""
    return path.with_name(path.name + ".json")


def model_path(path: Path) -> Path:
    """The model file that ``path`` names, by itself or by its manifest.

    Raises ``UsageError`` for a folder without a name of its own, such as ``.`` or ``/``, and for
    a file that belongs to a model.
    """
    owner = beside(path)
    if owner is not None:
        raise UsageError(f"{path} is not a model: it belongs to {owner}.", hint=f"Name {owner}")
    name = path.name.removesuffix(".json")
    if not name:
        raise UsageError(f"{path} is not a model file.", hint="Name a file, not a folder.")
    return path.with_name(name)


def beside(path: Path) -> Path | None:
    """The artifact that ``path`` belongs to by its name; ``None`` where it belongs to none.

    Its reference and operator map end so, its components are in a folder that does.
    """
    for end in _BESIDE:
        if path.name.endswith(end):
            return path.with_name(path.name.removesuffix(end))
    return None


def load_artifact(path: Path | str, *, check: bool = True) -> Artifact:
    """Read the manifest beside ``path`` (the file or its manifest) and check the file against it.

    Raises ``CorruptArtifact`` when either is missing or unreadable, ``ChecksumMismatch`` when the
    file is not the one described, ``SchemaTooNew`` when a newer seaformer wrote it.
    """
    path = model_path(files.expanded(path))
    if not path.exists():
        raise absent(path)
    manifest = manifest_path(path)
    if path.parent.name.endswith(PARTS):
        whole = path.parent.with_name(path.parent.name.removesuffix(PARTS))
        raise CorruptArtifact(
            f"{path} is a component of {whole.name} and has no manifest of its own.",
            hint=f"Name the whole: {whole} --components",
        )
    if not manifest.exists():
        raise CorruptArtifact(
            f"{path} has no manifest beside it ({manifest.name}).",
            hint="Keep the two files together, or export the model again.",
        )
    artifact = _parse(manifest)
    artifact = replace(artifact, path=path.resolve())
    if check:
        check_file(artifact)
    return artifact


def check_file(artifact: Artifact) -> None:
    """Compare the sha256 of the file, and of its components' files, with the manifest's."""
    for side in artifact.external:
        if not (artifact.path.parent / side.file).is_file():
            raise CorruptArtifact(
                f"{artifact.path} has its weights in {side.file}, which is missing beside it.",
                hint="Keep the files together, or export the model again.",
            )
        check_sha256(artifact.path.parent / side.file, side.sha256)
    check_sha256(artifact.path, artifact.sha256, artifact.weight_files)
    for method in artifact.methods:
        if method.file:
            check_sha256(artifact.path.parent / method.file, method.sha256)


def _parse(manifest: Path) -> Artifact:
    content = files.read_bytes(manifest)
    artifact = codec.decode(Artifact, content, where=manifest.name, newest=SCHEMA)
    check_manifest(artifact, manifest.name, SCOPES_OF, PARTS)
    return artifact
