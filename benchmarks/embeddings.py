"""One network on made embeddings, as wide a task as a probe of a large model is. Prints one JSON object."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.limit import EMBEDDINGS
from benchmarks.peers.task import read_epochs
from monolayer.data.dataset import Dataset, Splits
from monolayer.training.run import evaluate_test
from monolayer.training.train import train

Array = npt.NDArray[Any]
TEST_ROWS = 2_000
BATCH_SIZE, LEARNING_RATE = 256, 0.3


def make_embedding(n: int, n_features: int, n_classes: int) -> tuple[Array, Array]:
    """Classes around centres of their own, in directions of falling variance, as features of networks have them."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, n_classes, n)
    scale = (1 / np.sqrt(1 + np.arange(n_features) / 32)).astype(np.float32)
    centres = 0.12 * rng.standard_normal((n_classes, n_features), np.float32)
    X = rng.standard_normal((n, n_features), np.float32)
    X += centres[y]
    X *= scale
    return X, y


def make_splits() -> Splits:
    """The rows of EMBEDDINGS, and some more to test with."""
    X, y = make_embedding(EMBEDDINGS.train_rows + TEST_ROWS, EMBEDDINGS.dimensions, EMBEDDINGS.classes)
    return Dataset(X, y, tuple(map(str, range(EMBEDDINGS.classes))), known_sha256="made").split(test=TEST_ROWS)


def main() -> None:
    epochs = read_epochs()
    splits = make_splits()
    run = train(splits, train_every=0, epochs=epochs, batch_size=BATCH_SIZE, learning_rate=LEARNING_RATE)
    run = evaluate_test(run, splits)
    print(json.dumps({"seconds": run.seconds, "test_accuracy": run.evaluation["test"].accuracy, "epochs": epochs}))


if __name__ == "__main__":
    main()
