"""One epoch of a bank on made data of a given size: the median of several. Prints one JSON object."""

import argparse
import json
import statistics
import time
from dataclasses import asdict

import numpy as np

from benchmarks.scaling import Shape
from monolayer.data.dataset import Dataset, Splits
from monolayer.recipe.recipe import Recipe
from monolayer.training.train import train_bank

REPEATS = 5


def make_splits(shape: Shape) -> Splits:
    """Random bytes and labels, which take as long as others."""
    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, (shape.images + 1, shape.dimensions), np.uint8)
    names = tuple(map(str, range(shape.classes)))
    dataset = Dataset(X, rng.integers(0, shape.classes, len(X)), names, known_sha256="made")
    return dataset.split(test=1)


def measure_epochs(shape: Shape) -> list[float]:
    """Seconds of REPEATS epochs; the first (warm-up) and the last (which evaluates) are left out."""
    ends: list[float] = []
    rates = np.geomspace(1e-4, 1e-3, shape.members)
    recipes = [Recipe(learning_rate=float(rate), l2=1e-3, epochs=REPEATS + 2) for rate in rates]
    splits = make_splits(shape)
    train_bank(splits, recipes, train_every=0, on_epoch=lambda recipes, rows: ends.append(time.perf_counter()))
    return np.diff(ends[:-1]).tolist()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, value in asdict(Shape()).items():
        parser.add_argument(f"--{name}", type=int, default=value)
    shape = Shape(**vars(parser.parse_args()))
    print(json.dumps({"seconds": statistics.median(measure_epochs(shape))}))


if __name__ == "__main__":
    main()
