"""A runner that is a shell script, and an artifact for it: benches on a fake phone in seconds.

It takes the real runner's flags, writes the real report and an output, sleeps as long as the
"model" says, and appends a line to ``runs`` beside itself, so that tests can count inferences.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np

from seaformer.core import codec, files
from seaformer.core.artifact import (
    Artifact,
    Method,
    Parity,
    Reference,
    TensorInfo,
    load_artifact,
    manifest_path,
)
from seaformer.core.spec import ModelSpec
from seaformer.runtime.build.bundle import (
    Bundle,
    BundledEngine,
    BundleFile,
    BundleManifest,
)

BUILD = "scripted"
SHAPE = (1, 4, 8, 8)
_INPUT = (1, 3, 16, 16)

# A command of a model whose run ends when the file ``go`` is made in /data/local/tmp.
HELD = "while [ ! -f ../../../../go ]; do sleep 0.1; done"  # from the job's folder

# The model's first line is the seconds an inference takes, its second a command that goes wrong.
_RUNNER = r"""#!/system/bin/sh
while [ $# -gt 0 ]; do
  case $1 in
    --model) model=$2; shift;;
    --cpus) cpus=$2; shift;;
    --output-dir) out=$2; shift;;
    --input) input=$2; shift;;
    --profile-ops) profile=$2; shift;;
    --tail) tail=$2; shift;;
  esac
  shift
done
echo ran >> /data/local/tmp/runs
{ read seconds; read trouble; } < "$model"
sleep "$seconds"
if [ -n "$trouble" ]; then eval "$trouble"; fi
outputs='{"name": "logits", "dtype": "float32", "shape": [1, 4, 8, 8]}'
if [ -n "$out" ]; then
  cp "$input" "$out/output_0.bin" || exit 5
  outputs="${outputs%?}, \"file\": \"$out/output_0.bin\"}"
fi
if [ -n "$tail" ]; then  # the tail of logits that are all zero: the lowest class everywhere
  head -c 512 /dev/zero > "$out/output_0.bin" && head -c 1024 /dev/zero > "$out/output_1.bin"
  classes='{"name": "classes", "dtype": "uint16", "shape": [1, 16, 16]'
  logits='{"name": "logits", "dtype": "float32", "shape": [1, 4, 8, 8]'
  outputs="$classes, \"file\": \"$out/output_0.bin\"}, $logits, \"file\": \"$out/output_1.bin\"}"
fi
cat <<END
REPORT
END
"""


def scripted_bundle(folder: Path) -> Bundle:
    """A bundle whose runner is the script, and a second file of half a megabyte."""
    report = (
        '{"schema": 1, "runner": {"version": "1", "build_type": "Release", "compiler": "none", '
        f'"build_id": "{BUILD}", "host": "cpp", "sources_sha256": ""}}, '
        '"engine": {"name": "onnxruntime", "version": "1.0"}, '
        '"model": {"path": "$model", "size_bytes": 1}, "method": "forward", '
        '"methods": ["forward"], "inputs": [], "outputs": [$outputs], '
        '"threads": {"requested": 1, "effective": 1, "os_threads": 1}, '
        '"affinity": {"requested": [$cpus], "effective": [$cpus]}, "load_ns": 1, "first_ns": 1, '
        '"warmup": {"runs": 1, "samples_ns": [1], "reason": "fixed"}, '
        '"samples_ns": [1000000, 1000000, 1000001], "sample_cpus": [$cpus, $cpus, $cpus], '
        '"stop": {"reason": "fixed", "ci_half_width_rel": null}, "peak_rss_bytes": 1000000, '
        '"cpu_freq_khz": {"before": 2841600, "after": 2841600}, "profiled": false, '
        '"profile_file": null, "markers": false, "clock": "none"}'
    )
    home = folder / "bundle"
    home.mkdir(parents=True)
    (home / "seaformer_runner").write_text(_RUNNER.replace("REPORT", report))
    (home / "seaformer_runner").chmod(0o755)
    (home / "lib'$(x).so").write_bytes(bytes(range(256)) * 2048)
    listed = tuple(
        BundleFile(path.name, path.stat().st_size, files.sha256_file(path))
        for path in sorted(home.iterdir())
    )
    content = hashlib.sha256("".join(file.sha256 for file in listed).encode()).hexdigest()[:16]
    engines = (BundledEngine("onnxruntime", "1.0"),)
    made = BundleManifest(content, BUILD, "", "android", "none", engines, "", listed)
    return Bundle(home, made)


def scripted_artifact(
    folder: Path, name: str = "one", *, seconds: float = 0.0, trouble: str = ""
) -> Artifact:
    """An "ONNX" file with a reference: its answer is its input, cut to the output's shape."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name} it's $(x).onnx"
    path.write_text(f"{seconds}\n{trouble}\n{name}\n")
    rng = np.random.default_rng(0)
    values = rng.random(SHAPE, dtype=np.float32)
    np.savez(folder / f"{name}.npz", input=values, output_forward_0=values)
    spec = ModelSpec(name, "scripted", "segmentation", "none", 4, _INPUT, SHAPE)
    one = TensorInfo("logits", "float32", SHAPE)
    image = TensorInfo("image", "float32", _INPUT)
    reference = Reference(f"{name}.npz", files.sha256_file(folder / f"{name}.npz"), "none", 1)
    artifact = Artifact(
        schema=1, file=path.name, spec=spec, format="onnx", precision="fp32", scope="logits",
        sha256=files.sha256_file(path), size_bytes=path.stat().st_size,
        methods=(Method("forward", (image,), (one,)),), exporter="none", created_at="2026-01-01",
        parity=Parity("structure", "none", None, None, None, None, "none", ()), tools={},
        operators={}, reference=reference,
    )  # fmt: skip
    manifest_path(path).write_text(json.dumps(codec.to_json(artifact)))
    return load_artifact(path)
