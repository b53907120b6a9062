"""The code that the peers share: standardised images in memory, timing, and score.

A peer is a function train(X, y, epochs) that returns a function from standardised images to classes.
"""

import argparse
import json
import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from monolayer.data.dataset import Rows, Splits
from monolayer.data.load import load
from monolayer.data.scaler import Scaler, fit_scaler

Array = npt.NDArray[np.generic]
Predict = Callable[[Array], Array]
Train = Callable[[Array, Array, int], Predict]
BATCH_SIZE, LEARNING_RATE, CLASSES = 100, 0.001, 10


def standardise(X: Array, scaler: Scaler, dtype: type) -> Array:
    """A copy of the images as floats; in place after that, so that no peer's peak memory is a passing copy."""
    scaled = np.array(X, dtype)
    scaled -= scaler.mean.astype(dtype)
    scaled /= scaler.std.astype(dtype)
    return scaled


def run_peer(train: Train, dtype: type) -> None:
    """Train on the first 49,000 images for --epochs, score on the test images, print one JSON object."""
    epochs = read_epochs()
    measure_peer(train, load("cifar10").split(val=1_000), dtype, epochs)


def measure_peer(train: Train, splits: Splits, dtype: type, epochs: int) -> None:
    """Train on the training rows, score on the test rows, print one JSON object."""
    scaler = fit_scaler(splits.train)
    X, y = standardise(_read(splits.train), scaler, dtype), splits.train.y
    train(X, y, 1)  # warm-up, not counted
    start = time.perf_counter()
    predict = train(X, y, epochs)
    seconds = time.perf_counter() - start
    test = splits.open_test("score of a peer")
    accuracy = float((predict(standardise(_read(test), scaler, dtype)) == test.y).mean())
    print(json.dumps({"seconds": seconds, "test_accuracy": accuracy, "epochs": epochs}))


def _read(rows: Rows) -> Array:
    X, positions = rows.locate()
    return X if positions is None else X[positions]


def read_epochs() -> int:
    """The one option of a process that trains."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=40)
    epochs: int = parser.parse_args().epochs
    return epochs
