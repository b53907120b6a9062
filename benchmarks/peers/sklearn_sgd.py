"""scikit-learn's SGDClassifier: logistic, one class against the rest, a step an image; the classes share the cores.

It has no softmax and no batches. A step of LEARNING_RATE / BATCH_SIZE an image moves as far in an epoch as the others'.
"""

import numpy as np
from sklearn.linear_model import SGDClassifier

from benchmarks.peers.task import BATCH_SIZE, LEARNING_RATE, Array, Predict, run_peer


def train(X: Array, y: Array, epochs: int) -> Predict:
    rate = {"learning_rate": "constant", "eta0": LEARNING_RATE / BATCH_SIZE}
    model = SGDClassifier(loss="log_loss", penalty=None, max_iter=epochs, tol=None, n_jobs=-1, random_state=0, **rate)
    return model.fit(X, y).predict


if __name__ == "__main__":
    run_peer(train, np.float32)
