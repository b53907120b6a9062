"""The plain PyTorch loop on made embeddings: float32 in memory as the other peers have it, a thousand classes."""

import numpy as np

from benchmarks.embeddings import BATCH_SIZE, LEARNING_RATE, make_splits
from benchmarks.limit import EMBEDDINGS
from benchmarks.peers.task import Array, Predict, measure_peer, read_epochs
from benchmarks.peers.torch_loop import fit, make_model, make_predict


def train(X: Array, y: Array, epochs: int) -> Predict:
    model = make_model(X.shape[1], EMBEDDINGS.classes)
    fit(model, (X, y), epochs, BATCH_SIZE, LEARNING_RATE)
    return make_predict(model)


if __name__ == "__main__":
    measure_peer(train, make_splits(), np.float32, read_epochs())
