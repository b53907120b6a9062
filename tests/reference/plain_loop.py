"""The slow, obvious oracle: one network, one float64 loop, everything written out as in a textbook."""

import numpy as np


def standardise(X_train, *others):
    mean, std = X_train.mean(axis=0), X_train.std(axis=0)
    std = np.where(std > 0, std, 1.0)
    return [(X - mean) / std for X in (X_train, *others)]


def draw_parts(shuffle, rng, n):
    """The positions of n rows in parts that are shuffled each for itself; a batch never has rows of two."""
    if shuffle == "full":
        yield rng.permutation(n)
        return
    rows, blocks = map(int, shuffle.split(":")[1:])
    order = list(rng.permutation(-(-n // rows)))
    last = order.index(max(order))
    order[last], order[-1] = order[-1], order[last]
    while order:
        taken, order = order[:blocks], order[blocks:]
        yield rng.permutation([row for block in taken for row in range(block * rows, min(n, (block + 1) * rows))])


def cut_batches(parts, size):
    """Places in the order of all parts together, batch by batch."""
    first = 0
    for part in parts:
        for start in range(0, len(part), size):
            yield first + np.arange(start, min(start + size, len(part)))
        first += len(part)


def describe(X, weight):
    """Weighted mean and standard deviation of each feature."""
    mean = np.average(X, axis=0, weights=weight)
    return mean, np.sqrt(np.average((X - mean) ** 2, axis=0, weights=weight))


def compute_probabilities(loss, scores):
    if "cross_entropy" in loss:
        e = np.exp(scores - scores.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)
    return 1 / (1 + np.exp(-scores))


def smooth(loss, Y):
    """The target: of ``smoothed_cross_entropy:0.2`` a fifth is spread evenly over the classes."""
    if not loss.startswith("smoothed_cross_entropy"):
        return Y
    share = float(loss.partition(":")[2] or 0.1)
    return (1 - share) * Y + share / Y.shape[1]


def compute_mean_loss(loss, scores, y):
    if loss == "hinge":
        return np.mean([max(0, 1 + max(np.delete(s, k)) - s[k]) for s, k in zip(scores, y, strict=True)])
    P, rows = compute_probabilities(loss, scores), np.arange(len(y))
    if loss.startswith("smoothed_cross_entropy"):
        return -(smooth(loss, np.eye(scores.shape[1])[y]) * np.log(P)).sum(axis=1).mean()
    if loss == "cross_entropy":
        return -np.log(P[rows, y]).mean()
    Y = np.eye(scores.shape[1])[y]
    return -(Y * np.log(P) + (1 - Y) * np.log(1 - P)).mean()


def compute_residual(loss, scores, Y):
    if loss == "hinge":
        residual = np.zeros_like(scores)
        for r, s, k in zip(residual, scores, Y.argmax(axis=1), strict=True):
            rival = max(set(range(len(s))) - {k}, key=lambda j: s[j])
            if 1 + s[rival] - s[k] > 0:
                r[rival], r[k] = 1, -1
        return residual
    residual = compute_probabilities(loss, scores) - smooth(loss, Y)
    return residual / scores.shape[1] if loss == "multiple_bce" else residual


def compute_gradients(loss, Z, y, W, b, l2, weight=1.0):
    K = len(b)
    residual = compute_residual(loss, Z @ W.T + b, y if np.ndim(y) == 2 else np.eye(K)[y])
    residual *= np.reshape(weight, (-1, 1))
    return residual.T @ Z / len(Z) + 2 * l2 * W, residual.mean(axis=0)


def train(X, y, n_classes, recipe, image_shape=None, start=None, weight=None):
    """(W, b) after the recipe's epochs on raw features X, and Z, the standardised features; ``start``: a network.

    ``weight``: of the rows; one of 0 is deleted from the batch that it would be in, the others divided by their mean.
    """
    X = np.asarray(X, np.float64)
    weight = np.ones(len(X)) if weight is None else weight / weight[weight > 0].mean()
    mean, std = (start.mean, start.std) if start is not None else describe(X, weight)
    std = np.where(std > 0, std, 1.0)
    rng, flips = np.random.default_rng(recipe.seed), np.random.default_rng([recipe.seed, 1])
    W = recipe.init_std * rng.standard_normal((n_classes, X.shape[1]))
    b = np.zeros(n_classes)
    if start is not None:
        W, b = start.weights.astype(np.float64), start.bias.astype(np.float64)
    for epoch in range(1, recipe.epochs + 1):
        rate = recipe.compute_rate(epoch)
        parts = list(draw_parts(recipe.shuffle, rng, len(X)))
        order = np.concatenate(parts)
        mirrored = flips.random(len(X)) < recipe.flip if recipe.flip else np.zeros(len(X), bool)
        for batch_places in cut_batches(parts, recipe.batch_size):
            places = batch_places[weight[order[batch_places]] > 0]
            if not len(places):
                continue
            rows = order[places]
            batch = X[rows]
            for i in np.flatnonzero(mirrored[places]):
                batch[i] = batch[i].reshape(image_shape)[:, :, ::-1].reshape(-1)
            dW, db = compute_gradients(recipe.loss, (batch - mean) / std, y[rows], W, b, recipe.l2, weight[rows])
            W -= rate * dW
            b -= rate * db
    return W, b, (X - mean) / std
