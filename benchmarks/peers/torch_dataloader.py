"""PyTorch as its tutorials write it: a TensorDataset behind a shuffling DataLoader."""

import numpy as np
import torch
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.peers.task import BATCH_SIZE, LEARNING_RATE, Array, Predict, run_peer
from benchmarks.peers.torch_loop import make_model, make_predict


def train(X: Array, y: Array, epochs: int) -> Predict:
    model = make_model(X.shape[1])
    batches = DataLoader(TensorDataset(torch.from_numpy(X), torch.from_numpy(y)), batch_size=BATCH_SIZE, shuffle=True)
    optimiser = torch.optim.SGD(model.parameters(), lr=LEARNING_RATE)
    compute_loss = torch.nn.CrossEntropyLoss()
    for _ in range(epochs):
        for images, labels in batches:
            optimiser.zero_grad()
            compute_loss(model(images), labels).backward()
            optimiser.step()
    return make_predict(model)


if __name__ == "__main__":
    run_peer(train, np.float32)
