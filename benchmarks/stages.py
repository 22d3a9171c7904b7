"""Images per second of each stage of training and of evaluation, on one thread.

    seaformer data synth shapes --images 200
    python benchmarks/stages.py shapes [--model seaformer_t.synth] [--images 64]

Seconds are the processor's, not the clock's, so that other programs disturb them little: of real
time there is at least as much. The slowest stage bounds the whole where all run in one process.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from seaformer.data.metrics import ClassCounts
from seaformer.data.preprocessing import preprocessing_of
from seaformer.data.sets import open_set, read
from seaformer.evaluation.modes import class_map, official
from seaformer.evaluation.predictor import Array, of_session
from seaformer.evaluation.tally import Tally, weights_of
from seaformer.models import create_model, network_maker
from seaformer.training.feeding import Augmented, batch_of
from seaformer.training.groups import groups
from seaformer.training.losses import pixel_entropy
from seaformer.training.optimisers import optimiser
from seaformer.training.recipes import recipe_of


class Stages:
    """Seconds of processor time by stage."""

    def __init__(self, title: str, images: int) -> None:
        self.title, self.images = title, images
        self.taken: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        start = time.process_time()
        yield
        self.taken[name] = self.taken.get(name, 0.0) + time.process_time() - start

    def show(self) -> None:
        whole = sum(self.taken.values())
        print(f"{self.title}: {self.images / whole:.1f} images per second")
        for name, seconds in self.taken.items():
            rate, share = self.images / max(seconds, 1e-9), seconds / whole
            print(f"  {name:24} {rate:8.1f} images per second, {share:6.1%} of the time")


def trained(folder: str, model: str, images: int) -> Stages:
    """Whole batches of the model's recipe."""
    data, recipe = open_set(folder, "train"), recipe_of(model)
    network = create_model(model, size=recipe.crop, classes=data.classes).train()
    items = Augmented(data, recipe, preprocessing_of(network.spec), seed=0)
    steps = optimiser(recipe, groups(network, recipe, recipe.lr))
    batches = max(images // recipe.batch, 1)
    title = f"training {model}, batch {recipe.batch}, crop {recipe.crop}"
    stages = Stages(title, batches * recipe.batch)
    for iteration in range(batches):
        numbers = [(iteration * recipe.batch + i) % len(data.samples) for i in range(recipe.batch)]
        with stages.stage("read"):
            for number in numbers:
                read(data, data.samples[number])
        with stages.stage("read and augment"):
            members = [items.item(iteration, i, n) for i, n in enumerate(numbers)]
        batch = batch_of(members, data, recipe, 0, iteration)
        with stages.stage("forward and loss"):
            loss = pixel_entropy(network(batch.images), batch.labels, recipe.average)
        with stages.stage("backward"):
            loss.backward()  # type: ignore[no-untyped-call]
        with stages.stage("optimiser"):
            steps.step()
            steps.zero_grad()
    stages.taken["augment"] = stages.taken.pop("read and augment") - stages.taken["read"]
    return stages


def evaluated(folder: str, model: str, images: int) -> Stages:
    """Images at their own size, as ``seaformer eval`` does without its threads that read ahead."""
    data = open_set(folder, "val")
    session = network_maker(model)(data.classes)
    one, mode = of_session(session), official(model, data.dataset)
    samples = [data.samples[i % len(data.samples)] for i in range(images)]
    tally = Tally(data.classes)
    stages = Stages(f"evaluation of {model}", images)
    network = 0.0

    def run(tensor: Array) -> Array:
        nonlocal network
        start = time.process_time()
        answer = one.run(tensor)
        network += time.process_time() - start
        return answer

    timed = type(one)(one.name, one.task, one.scope, one.size, one.prepare, run)
    for number, sample in enumerate(samples):
        with stages.stage("read"):
            picture = read(data, sample)
        with stages.stage("network"):
            guess = class_map(timed, picture.image, mode)
        assert picture.mask is not None
        with stages.stage("count, with intervals"):
            counts = ClassCounts.of(guess, picture.mask, data.classes, data.ignore)
            tally.add(counts, weights_of(0, number))
    stages.taken["resize, twice, and compare"] = stages.taken["network"] - network
    stages.taken["network"] = network
    return stages


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", help="a generated set")
    parser.add_argument("--model", default="seaformer_t.synth")
    parser.add_argument("--images", type=int, default=64)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    for stages in (trained, evaluated):
        stages(asked.data, asked.model, asked.images).show()


if __name__ == "__main__":
    main()
