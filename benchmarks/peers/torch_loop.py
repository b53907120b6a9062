"""The plain PyTorch loop: nn.Linear, SGD, batches by index from a tensor in memory. Prints one JSON object."""

import argparse
import json
import time

import numpy as np
import torch

from monolayer.data.load import load


def standardise(X, mean, std):
    return torch.from_numpy((X.astype(np.float32) / 255 - mean) / std)


def train(X, y, *, epochs, batch_size=100, learning_rate=0.001):
    model = torch.nn.Linear(X.shape[1], 10)
    torch.nn.init.normal_(model.weight, std=0.01)
    torch.nn.init.zeros_(model.bias)
    optimiser = torch.optim.SGD(model.parameters(), lr=learning_rate)
    compute_loss = torch.nn.CrossEntropyLoss()
    for _ in range(epochs):
        order = torch.randperm(len(X))
        for start in range(0, len(X), batch_size):
            rows = order[start : start + batch_size]
            optimiser.zero_grad()
            compute_loss(model(X[rows]), y[rows]).backward()
            optimiser.step()
    return model


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=40)
    epochs = parser.parse_args().epochs
    torch.manual_seed(0)
    dataset = load("cifar10")
    train_X, test = dataset.X[:49_000].astype(np.float32) / 255, dataset.test
    mean, std = train_X.mean(axis=0), train_X.std(axis=0)
    del train_X
    X, y = standardise(dataset.X[:49_000], mean, std), torch.from_numpy(np.array(dataset.y[:49_000]))
    train(X, y, epochs=1)  # warm-up, not counted
    start = time.perf_counter()
    model = train(X, y, epochs=epochs)
    seconds = time.perf_counter() - start
    with torch.no_grad():
        predicted = model(standardise(test.X, mean, std)).argmax(dim=1).numpy()
    print(json.dumps({"seconds": seconds, "test_accuracy": float((predicted == test.y).mean())}))


if __name__ == "__main__":
    main()
