"""Test accuracy with a block shuffle and a full one: CIFAR-10 in its own order and sorted by class, five seeds each.

Prints a Markdown table: validation accuracy and loss after the last epoch, mean and standard deviation over the seeds.
Rows are held out by class and not from the end, since a sorted file ends with one class.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

import monolayer as ml

SHUFFLES = ("full", "block:64:256", "block:64:64", "block:64:16", "block:512:8", "block:4096:1")
SEEDS = range(5)
RECIPE = ml.Recipe(learning_rate=0.001, batch_size=100, epochs=20, schedule="cosine")


def main() -> None:
    dataset = ml.load("cifar10")
    order = np.argsort(dataset.y, kind="stable")
    by_class = replace(dataset, X=dataset.X[order], y=dataset.y[order], known_sha256="")
    print("| shuffle | rows in memory | as the file lies: accuracy, % | loss | sorted by class: accuracy, % | loss |")
    print("|---|---:|---:|---:|---:|---:|")
    for shuffle in SHUFFLES:
        cells = [cell for data in (dataset, by_class) for cell in measure(data, shuffle)]
        print(f"| `{shuffle}` | {count_buffer(shuffle)} | {' | '.join(cells)} |", flush=True)


def measure(dataset: ml.Dataset, shuffle: str) -> tuple[str, str]:
    splits = dataset.split(5000, seed=0)
    runs = [ml.train(splits, RECIPE, train_every=0, val_every=0, seed=seed, shuffle=shuffle) for seed in SEEDS]
    found = [run.evaluation["val"] for run in runs]
    accuracy, loss = (np.array([getattr(one, name) for one in found]) for name in ("accuracy", "loss"))
    return (
        f"{100 * accuracy.mean():.2f} +- {100 * accuracy.std(ddof=1):.2f}",
        f"{loss.mean():.4f} +- {loss.std(ddof=1):.4f}",
    )


def count_buffer(shuffle: str) -> str:
    _, *sizes = shuffle.split(":")
    return "all" if not sizes else f"{int(np.prod([int(size) for size in sizes])):,}"


if __name__ == "__main__":
    main()
