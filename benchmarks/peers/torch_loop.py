"""The plain PyTorch loop: nn.Linear, SGD, batches by index from a tensor in memory."""

import numpy as np
import torch

from benchmarks.peers.task import BATCH_SIZE, CLASSES, LEARNING_RATE, Array, Predict, run_peer


def make_model(n_features: int, n_classes: int = CLASSES) -> torch.nn.Linear:
    torch.manual_seed(0)
    model = torch.nn.Linear(n_features, n_classes)
    torch.nn.init.normal_(model.weight, std=0.01)
    torch.nn.init.zeros_(model.bias)
    return model


def make_predict(model: torch.nn.Module) -> Predict:
    @torch.no_grad()
    def predict(X: Array) -> Array:
        return model(torch.from_numpy(X)).argmax(dim=1).numpy()

    return predict


def train(X: Array, y: Array, epochs: int) -> Predict:
    model = make_model(X.shape[1])
    fit(model, (X, y), epochs, BATCH_SIZE, LEARNING_RATE)
    return make_predict(model)


def fit(model: torch.nn.Linear, rows: tuple[Array, Array], epochs: int, batch_size: int, rate: float) -> None:
    images, labels = map(torch.from_numpy, rows)
    optimiser = torch.optim.SGD(model.parameters(), lr=rate)
    compute_loss = torch.nn.CrossEntropyLoss()
    for _ in range(epochs):
        order = torch.randperm(len(images))
        for start in range(0, len(images), batch_size):
            batch = order[start : start + batch_size]
            optimiser.zero_grad()
            compute_loss(model(images[batch]), labels[batch]).backward()
            optimiser.step()


if __name__ == "__main__":
    run_peer(train, np.float32)
