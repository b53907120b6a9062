"""The PyTorch examples of docs/coming-from.md, if PyTorch is installed; it is not a requirement."""

import re

import numpy as np
import pytest

import monolayer as ml
from tests.contract.pages import DOCS
from tests.made import make_dataset

torch = pytest.importorskip("torch", reason="PyTorch is not installed; the page states that these examples do not run")
BLOCKS = [
    block
    for block in re.findall(r"```python\n(.*?)```", (DOCS / "coming-from.md").read_text(), re.DOTALL)
    if "torch" in block
]


def test_the_loop_runs():
    rng = np.random.default_rng(0)
    names = {"Z_train": rng.standard_normal((300, 3072)), "labels": rng.integers(0, 10, 300)}
    exec(BLOCKS[0].replace("range(40)", "range(2)"), names)
    assert names["model"].weight.grad is not None


def test_the_layer_is_the_network():
    splits = make_dataset(image_shape=(1, 3, 4)).split(val=40)
    run = ml.train(splits, batch_size=20, epochs=2)
    names = {"torch": torch, "run": run}
    exec(BLOCKS[1], names)
    X = splits.dataset.X[:5]
    scores = names["layer"](torch.from_numpy(X).float()).detach().numpy()
    np.testing.assert_allclose(scores, run.network.compute_scores(X), atol=1e-5)


@pytest.mark.parametrize("loss", ["cross_entropy", "multiple_bce"])
def test_the_settings_correspond(loss):
    """With the settings of the page's table, both end with the same weights."""
    splits = make_dataset().split(val=40)
    recipe = ml.Recipe(loss, 0.05, 0.01, batch_size=20, epochs=12, schedule="step:10:0.1", dtype="float64")
    run = ml.train(splits, recipe)
    X = splits.dataset.X[splits.train.index].astype(np.float64)
    Z, y = torch.from_numpy((X - X.mean(axis=0)) / X.std(axis=0)), torch.from_numpy(splits.train.y)
    rng = np.random.default_rng(recipe.seed)
    model = torch.nn.Linear(12, 3).double()
    model.weight.data = torch.from_numpy(recipe.init_std * rng.standard_normal((3, 12)))
    torch.nn.init.zeros_(model.bias)
    groups = [
        {"params": [model.weight], "weight_decay": 2 * recipe.l2},
        {"params": [model.bias], "weight_decay": 0.0},
    ]
    optimiser = torch.optim.SGD(groups, lr=recipe.learning_rate)
    scheduler = torch.optim.lr_scheduler.StepLR(optimiser, step_size=10, gamma=0.1)
    bce = torch.nn.BCEWithLogitsLoss()
    for _ in range(recipe.epochs):
        for rows in torch.from_numpy(rng.permutation(len(y))).split(recipe.batch_size):
            optimiser.zero_grad()
            scores = model(Z[rows])
            onehot = torch.nn.functional.one_hot(y[rows], 3).double()
            ours = loss == "cross_entropy"
            (torch.nn.functional.cross_entropy(scores, y[rows]) if ours else bce(scores, onehot)).backward()
            optimiser.step()
        scheduler.step()
    np.testing.assert_allclose(run.network.weights, model.weight.detach().numpy(), atol=1e-12)


def test_the_cosines_are_one():
    recipe = ml.Recipe(learning_rate=1.0, epochs=10, schedule="cosine")
    optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=recipe.epochs)
    for epoch in range(1, recipe.epochs + 1):
        assert scheduler.get_last_lr()[0] == pytest.approx(recipe.compute_rate(epoch))
        optimiser.step()
        scheduler.step()
