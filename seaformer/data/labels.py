"""Names and colours of the classes of each data set, by index: ``labels/*.csv``.

Of ADE20K, Cityscapes, Pascal Context and COCO-Stuff the names and colours are those that
mmsegmentation lists; of COCO the 80 things of COCO-Stuff, which have no colours; of ImageNet the
first name of each WordNet synset, in the order of their identifiers; of generated sets what
``synth.py`` draws. Two colours may be equal: a class is known by its index, never by its colour.
"""

from __future__ import annotations

import csv
import functools
from importlib import resources

from seaformer.core.preprocessing import Labels
from seaformer.core.spec import ModelSpec

_WITHOUT_BACKGROUND = {"pascal_context_59": "pascal_context"}
DATASETS = ("ade20k", "cityscapes", "coco", "coco_stuff", "imagenet", "pascal_context")


def labels_of(spec: ModelSpec) -> Labels | None:
    """The classes of a model; ``None`` where its data set or its number of classes is another."""
    labels = dataset_labels(spec.dataset)
    return labels if labels is not None and len(labels.names) == spec.classes else None


@functools.cache
def dataset_labels(dataset: str) -> Labels | None:
    """The classes of a data set; ``None`` for one that is not listed here."""
    if dataset in _WITHOUT_BACKGROUND:
        whole = dataset_labels(_WITHOUT_BACKGROUND[dataset])
        return whole and Labels(whole.names[1:], whole.palette[1:])
    if dataset.startswith("synth"):
        return _generated(dataset)
    if dataset not in DATASETS:
        return None
    source = resources.files("seaformer.data") / "labels" / f"{dataset}.csv"
    rows = list(csv.DictReader(source.read_text(encoding="utf-8").splitlines()))
    palette = tuple(row["colour"] for row in rows if row["colour"])
    return Labels(tuple(row["name"] for row in rows), palette)


def _generated(dataset: str) -> Labels | None:
    """The classes of ``seaformer data synth``, whose drawing is loaded when first asked for."""
    from seaformer.data import scene, synth

    rows = {
        "synth": Labels(scene.SCENE_CLASSES, scene.SCENE_COLOURS),
        "synth_classes": Labels(synth.OBJECT_CLASSES, ()),
    }
    return rows.get(dataset)
