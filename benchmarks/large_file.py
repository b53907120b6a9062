"""Memory for training on a large file: random float16 embeddings, one epoch; the file is deleted afterwards.

The training runs in a process of its own, so that making the file does not count. Prints one line of a Markdown table.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import monolayer as ml
from monolayer.data.dataset import Dataset

FEATURES = 1024
BLOCK = 16_384


def main() -> None:
    options = _read_options()
    if options.file:
        train(Path(options.file), options)
        return
    with tempfile.TemporaryDirectory(dir=options.place) as folder:
        path = Path(folder) / "X.npy"
        n = int(options.gigabytes * 1e9 / FEATURES / 2)
        make_file(path, n, options.classes)
        subprocess.run([sys.executable, "-m", "benchmarks.large_file", "--file", str(path), *sys.argv[1:]], check=True)


def make_file(path: Path, n: int, n_classes: int) -> None:
    """Rows around their class's centre; the noise is drawn once and used again in another order."""
    rng = np.random.default_rng(0)
    X = np.lib.format.open_memmap(path, "w+", np.float16, (n, FEATURES))
    y = rng.integers(0, n_classes, n)
    centres = 0.12 * rng.standard_normal((n_classes, FEATURES), np.float32)
    noise = rng.standard_normal((BLOCK, FEATURES), np.float32)
    for start in range(0, n, BLOCK):
        labels = y[start : start + BLOCK]
        X[start : start + BLOCK] = centres[labels] + noise[rng.permutation(BLOCK)[: len(labels)]]
    np.save(path.with_name("y.npy"), y)


def train(path: Path, options: argparse.Namespace) -> None:
    X, y = np.load(path, mmap_mode="r"), np.load(path.with_name("y.npy"))
    before = measure_peak()
    start = time.perf_counter()
    dataset = Dataset(X, y, tuple(map(str, range(options.classes))))
    splits = dataset.split(10_000, seed=0, test=10_000)
    recipe = ml.Recipe(epochs=1, learning_rate=0.01, batch_size=256, shuffle=options.shuffle)
    run = ml.train(splits, recipe)
    print(
        f"| {path.stat().st_size / 1e9:.0f} GB | {len(X):,} x {FEATURES} float16 | {options.classes} | "
        f"`{recipe.shuffle}` | {before:.0f} | {measure_peak():.0f} | {run.evaluation['val'].accuracy:.3f} | "
        f"{time.perf_counter() - start:.0f} |"
    )


def measure_peak() -> float:
    """Peak memory of this process so far, MiB; Linux only, where a process would else inherit its parent's peak."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def _read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=20)
    parser.add_argument("--classes", type=int, default=100)
    parser.add_argument("--shuffle", default="block")
    parser.add_argument("--place", default=None, help="a folder with room for the file")
    parser.add_argument("--file", default=None, help="train on this one, and make none")
    return parser.parse_args()


if __name__ == "__main__":
    main()
