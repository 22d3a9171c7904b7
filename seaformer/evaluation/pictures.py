"""``seaformer.predict``: from paths and a model file to pictures, in one call."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from seaformer.core.artifact import Artifact
from seaformer.core.files import expanded
from seaformer.evaluation.inputs import list_sources
from seaformer.evaluation.network import open_network
from seaformer.evaluation.predict import PredictOptions, Progress
from seaformer.evaluation.predict import predict as predict_sources
from seaformer.evaluation.prediction import Prediction


def predict(
    images: Path | str | Iterable[Path | str],
    artifact: Artifact | Path | str,
    *,
    out: Path | str,
    truth: Path | str | None = None,
    beside: Artifact | Path | str | None = None,
    limit: int = 0,
    progress: Progress | None = None,
) -> Prediction:
    """Show what a model file sees in images, folders and videos: pictures and masks in ``out``.

    Args:
        images: files and folders.
        artifact: an exported file, or any file that an engine runs.
        out: the folder of the pictures; it is made.
        truth: a folder with the masks of the images, shown beside the predictions.
        beside: another file, shown beside.
        limit: of a video, the frames that are read; 0: all.
        progress: called with a sentence for each image.

    Raises ``UsageError`` where no image could be read, ``ArtifactError`` for a file that cannot be
    run.

        >>> artifact = export_model("seaformer_t", format="onnx", size=(64, 64))
        >>> done = predict("photo.jpg", artifact, out="predictions")
        >>> done.frames[0].classes[0].share > 0
        True
    """
    folder = expanded(out)
    named = (images,) if isinstance(images, (str, Path)) else images
    options = PredictOptions(
        out=folder,
        truth=expanded(truth) if truth else None,
        beside=open_network(beside) if beside else None,
        limit=limit,
    )
    sources = list_sources(map(Path, named), folder)
    return predict_sources(sources, open_network(artifact), options, progress)
