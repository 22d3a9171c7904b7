"""Predictions as files: every mode of image, videos, boxes of trouble, and no torch."""

from __future__ import annotations

import json
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from seaformer.core.errors import UsageError
from seaformer.data.pictures import read_picture
from seaformer.evaluation.inputs import list_sources
from seaformer.evaluation.network import Network, NetworkOptions, open_network
from seaformer.evaluation.predict import PredictOptions, predict
from seaformer.evaluation.prediction import Prediction
from seaformer.evaluation.video import VideoWriter
from tests import foreign
from tests.commands.program import seaformer

LEFT, RIGHT = (200, 30, 30), (30, 30, 200)  # red is class 0, blue class 2


@pytest.fixture
def colours(tmp_path: Path) -> Path:
    """A file of anybody whose logits are the colours themselves: red, green, blue."""
    weight = numpy_helper.from_array(np.eye(3, dtype=np.float32)[..., None, None], "w")
    nodes = [helper.make_node("Conv", ["image", "w"], ["map"])]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, 16, 24])
        for name in ("image", "map")
    ]
    model = foreign.model_of(nodes, ends[:1], ends[1:], [weight])
    onnx.checker.check_model(model)
    return foreign.save(model, tmp_path / "colours.onnx")


def halves(height: int = 32, width: int = 48) -> Image.Image:
    pixels = np.empty((height, width, 3), dtype=np.uint8)
    pixels[:, : width // 2], pixels[:, width // 2 :] = LEFT, RIGHT
    return Image.fromarray(pixels)


def run(network: Network, options: PredictOptions, *paths: Path) -> Prediction:
    return predict(list_sources(paths, options.out), network, options)


def opened(path: Path) -> Network:
    return open_network(path, NetworkOptions(mean=(0.0, 0.0, 0.0), std=(255.0, 255.0, 255.0)))


def test_a_mask_has_the_class_of_each_pixel_and_the_overlay_its_colour(
    colours: Path, tmp_path: Path
) -> None:
    halves().save(tmp_path / "ö b.png")
    options = PredictOptions(out=tmp_path / "out")
    (frame,) = run(opened(colours), options, tmp_path / "ö b.png").frames
    mask = np.asarray(Image.open(tmp_path / "out/ö b.mask.png"))
    assert mask.shape == (32, 48)
    assert set(mask[:, :22].ravel()) == {0}
    assert set(mask[:, 26:].ravel()) == {2}
    assert [(each.label, each.name) for each in frame.classes] == [(0, "class 0"), (2, "class 2")]
    assert sum(each.share for each in frame.classes) == pytest.approx(1)
    with Image.open(tmp_path / "out/ö b.overlay.png") as overlay:
        assert overlay.width > 48
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "ö b.mask.png",
        "ö b.overlay.png",
    ]


def test_every_mode_of_image_is_read_as_a_viewer_shows_it(tmp_path: Path) -> None:
    whole = halves()
    whole.quantize(2).save(tmp_path / "P.png")
    for mode, suffix in (("RGB", "png"), ("RGBA", "png"), ("CMYK", "tif"), ("P", "png")):
        if mode != "P":
            whole.convert(mode).save(tmp_path / f"{mode}.{suffix}")
        pixels = read_picture(tmp_path / f"{mode}.{suffix}")
        assert np.abs(pixels.astype(int) - np.asarray(whole)).max() <= 2, mode
    for mode in ("L", "1"):
        whole.convert(mode).save(tmp_path / f"{mode}.png")
        assert read_picture(tmp_path / f"{mode}.png").shape == (32, 48, 3)
    deep = np.full((4, 6), 0x80FF, dtype=np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    assert (read_picture(tmp_path / "deep.png") == 0x80).all()
    clear = Image.new("RGBA", (4, 4), (255, 0, 0, 0))
    clear.save(tmp_path / "clear.png")
    assert (read_picture(tmp_path / "clear.png") == 255).all()
    exif = Image.Exif()
    exif[0x0112] = 6  # a viewer turns it by 90 degrees
    whole.save(tmp_path / "turned.jpg", exif=exif)
    assert read_picture(tmp_path / "turned.jpg").shape == (48, 32, 3)


def test_two_inputs_of_one_name_are_two_outputs_and_folders_are_kept(
    colours: Path, tmp_path: Path
) -> None:
    for place in ("a.png", "a.jpg", "sub/a.png"):
        path = tmp_path / "in" / place
        path.parent.mkdir(parents=True, exist_ok=True)
        halves().save(path)
    (tmp_path / "in/broken.png").write_bytes(b"not an image")
    done = run(opened(colours), PredictOptions(out=tmp_path / "out"), tmp_path / "in")
    assert len(done.frames) == 3
    names = sorted(str(p.relative_to(tmp_path / "out")) for p in tmp_path.glob("out/**/*.mask.png"))
    assert names == ["a-2.mask.png", "a.mask.png", "sub/a.mask.png"]
    (skip,) = done.skipped
    assert skip.reason.endswith("broken.png is not an image that can be read.")


def test_a_name_of_dots_is_a_name(colours: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("..png", "...png"):
        halves().save(tmp_path / "in" / name, format="PNG")
    done = run(opened(colours), PredictOptions(out=tmp_path / "out"), tmp_path / "in")
    assert len(done.frames) == 2
    assert len(list((tmp_path / "out").iterdir())) == 4


def test_outputs_stay_in_their_folder(colours: Path, tmp_path: Path) -> None:
    (tmp_path / "in/sub").mkdir(parents=True)
    halves().save(tmp_path / "in/sub/a.png")
    (tmp_path / "out").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out/sub").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UsageError, match="leads out of"):
        run(opened(colours), PredictOptions(out=tmp_path / "out"), tmp_path / "in")
    assert list((tmp_path / "elsewhere").iterdir()) == []
    with pytest.raises(UsageError, match="--out must be another folder"):
        list_sources([tmp_path / "in"], tmp_path / "in")


def test_ground_truth_and_a_second_file_are_compared_pixel_by_pixel(
    colours: Path, tmp_path: Path
) -> None:
    halves().save(tmp_path / "a.png")
    truth = np.full((32, 48), 255, dtype=np.uint8)
    truth[:16, :20], truth[16:, :20] = 0, 1  # half of what counts is right
    (tmp_path / "masks").mkdir()
    Image.fromarray(truth).save(tmp_path / "masks/a.png")
    options = PredictOptions(out=tmp_path / "out", truth=tmp_path / "masks", beside=opened(colours))
    (frame,) = run(opened(colours), options, tmp_path / "a.png").frames
    assert frame.accuracy == 0.5
    assert frame.agreement == 1
    Image.fromarray(truth[:8]).save(tmp_path / "masks/a.png")
    with pytest.raises(UsageError, match="must have the size of its image, 32x48"):
        run(opened(colours), options, tmp_path / "a.png")


def video(path: Path, frames: int) -> Path:
    with VideoWriter(path, Fraction(25)) as writer:
        for _ in range(frames):
            writer.add(halves(64, 96))
    return path


def test_a_video_becomes_a_video_and_one_that_ends_early_keeps_its_frames(
    colours: Path, tmp_path: Path
) -> None:
    pytest.importorskip("av")
    whole = video(tmp_path / "whole.mp4", 5)
    done = run(opened(colours), PredictOptions(out=tmp_path / "out"), whole)
    assert [frame.number for frame in done.frames] == [1, 2, 3, 4, 5]
    assert done.skipped == ()
    assert (tmp_path / "out/whole.overlay.mp4").stat().st_size > 0
    assert len(list((tmp_path / "out/whole.frames").glob("*.mask.png"))) == 5
    junk = tmp_path / "junk.mp4"
    junk.write_bytes(b"no video" * 100)
    with pytest.raises(UsageError, match="is not a video that can be read"):
        run(opened(colours), PredictOptions(out=tmp_path / "out"), junk)
    with pytest.raises(UsageError, match="Nothing was predicted"):
        run(opened(colours), PredictOptions(out=tmp_path / "new" / "out"), junk)
    assert not (tmp_path / "new").exists()
    limited = run(opened(colours), PredictOptions(out=tmp_path / "few", limit=2), whole)
    assert len(limited.frames) == 2


def test_a_video_that_is_cut_off_keeps_the_frames_before_and_is_reported(
    colours: Path, tmp_path: Path
) -> None:
    av = pytest.importorskip("av")
    rng = np.random.default_rng(0)
    with av.open(str(tmp_path / "cut.mp4"), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for _ in range(6):
            noise = rng.integers(0, 255, (64, 96, 3), dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(noise, format="rgb24")))
        container.mux(stream.encode(None))
    whole = (tmp_path / "cut.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) * 2 // 3])
    done = run(opened(colours), PredictOptions(out=tmp_path / "out"), tmp_path / "cut.mp4")
    frames = len(done.frames)
    assert 1 <= frames < 6
    (skip,) = done.skipped
    assert f"after frame {frames}" in skip.reason
    assert (tmp_path / "out/cut.overlay.mp4").stat().st_size > 0
    assert len(list((tmp_path / "out/cut.frames").glob("*.mask.png"))) == frames


def test_the_command_prints_a_table_or_json_and_names_what_is_wrong(
    colours: Path, tmp_path: Path
) -> None:
    halves().save(tmp_path / "a.png")
    done = seaformer("predict", "a.png", "--artifact", colours.name, "--json", cwd=tmp_path)
    assert done.code == 0, done.err
    document = json.loads(done.out)
    assert document["frames"][0]["times"]["network_ms"] > 0
    assert (tmp_path / "predictions/a.mask.png").exists()
    table = seaformer("predict", "a.png", "--artifact", colours.name, cwd=tmp_path)
    assert "a.png" in table.out
    assert "Median of 1 frame" in table.out
    for arguments, sentence in (
        (("a.png",), "One of --artifact and --model is required."),
        (("gone.png", "--artifact", colours.name), "gone.png does not exist."),
        (("a.png", "--artifact", colours.name, "--alpha", "2"), "--alpha must be between 0 and 1"),
        (("a.png", "--artifact", colours.name, "--attention"), "--attention requires --model"),
    ):
        wrong = seaformer("predict", *arguments, cwd=tmp_path)
        assert wrong.code == 2
        assert sentence in wrong.err
        assert "Traceback" not in wrong.err


def test_a_file_predicts_without_torch(colours: Path, tmp_path: Path) -> None:
    halves().save(tmp_path / "a.png")
    program = (
        "import sys; sys.modules['torch'] = None\n"
        "from pathlib import Path\n"
        "from seaformer.evaluation.inputs import list_sources\n"
        "from seaformer.evaluation.network import open_network\n"
        "from seaformer.evaluation.predict import PredictOptions, predict\n"
        "options = PredictOptions(out=Path('out'))\n"
        "sources = list_sources([Path('a.png')], options.out)\n"
        f"print(len(predict(sources, open_network({colours.name!r}), options).frames))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "1\n"
