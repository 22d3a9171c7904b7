"""Files without a manifest on a fake phone: their external weights go with them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from seaformer.core.foreign import Foreign
from tests.android_bench.benches import Workbench
from tests.fakes.phone import FakePhone
from tests.fakes.scripted import scripted_artifact

# What the scripted runner does before its inference: read the weights beside the model.
READ = 'cp "${model%/*}/sub/weights.bin" ../../../../read || exit 3'  # from the job's folder


def test_external_weights_lie_beside_the_model_under_their_own_names(
    workbench: Workbench, phone: FakePhone, tmp_path: Path
) -> None:
    model = scripted_artifact(tmp_path / "model", trouble=READ)
    weights = model.path.parent / "sub" / "weights.bin"
    weights.parent.mkdir()
    weights.write_bytes(b"first")
    whole = replace(model, foreign=Foreign(external=("sub/weights.bin",)))
    assert workbench.run(phone, whole).row.failure is None
    assert (phone.root / "read").read_bytes() == b"first"
    weights.write_bytes(b"others")
    assert workbench.run(phone, whole).row.failure is None
    assert (phone.root / "read").read_bytes() == b"others"
    assert workbench.run(phone, model).row.failure is not None  # pushed without them
