"""Patch features as their docstring writes them, one patch and one filter at a time, in float64."""

import math

import numpy as np


def compute_features(image, mean, whitening, filters, *, size, stride, pool, activation):
    """(pool, pool, F) means over regions; activation(z, filters) gives a list of F numbers."""
    _, height, width = image.shape
    lines = [top for top in range(height - size + 1) if top % stride == 0]
    columns = [left for left in range(width - size + 1) if left % stride == 0]
    sums = [[[] for _ in range(pool)] for _ in range(pool)]
    for i, top in enumerate(lines):
        for j, left in enumerate(columns):
            x = image[:, top : top + size, left : left + size].astype(np.float64).ravel()
            variance = sum((value - x.mean()) ** 2 for value in x) / len(x)
            x = (x - x.mean()) / math.sqrt(variance + 10)
            z = whitening.astype(np.float64) @ (x - mean.astype(np.float64))
            where = sums[i * pool // len(lines)][j * pool // len(columns)]
            where.append(activation(z, filters.astype(np.float64)))
    return np.array([[np.mean(region, axis=0) for region in line] for line in sums])


def triangle(z, filters):
    distances = [math.dist(z, c) for c in filters]
    return [max(0, sum(distances) / len(distances) - d) for d in distances]


def soft(z, filters):
    products = [float(z @ c) / math.sqrt(float(c @ c)) for c in filters]
    return [max(0, p - 0.25) for p in products] + [max(0, -p - 0.25) for p in products]


def nearest(z, filters):
    distances = [math.dist(z, c) for c in filters]
    chosen = sorted(range(len(distances)), key=distances.__getitem__)[: int(0.4 * len(distances))]
    return [float(k in chosen) for k in range(len(distances))]
