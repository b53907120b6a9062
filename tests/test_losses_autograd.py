"""The residuals against automatic differentiation: runs where PyTorch is installed, which nothing here requires."""

import numpy as np
import pytest

from monolayer.recipe.losses import get_loss

torch = pytest.importorskip("torch", reason="PyTorch is optional; finite differences hold the same in test_losses.py")


@pytest.mark.parametrize("name", ["cross_entropy", "multiple_bce"])
def test_residual_is_the_automatic_gradient(name):
    rng = np.random.default_rng(0)
    scores, y = rng.standard_normal((6, 5)), rng.integers(0, 5, 6)
    s = torch.tensor(scores, requires_grad=True)
    if name == "cross_entropy":
        value = torch.nn.functional.cross_entropy(s, torch.tensor(y), reduction="sum")
    else:
        target = torch.nn.functional.one_hot(torch.tensor(y), 5).double()
        value = torch.nn.functional.binary_cross_entropy_with_logits(s, target, reduction="sum") / 5
    value.backward()
    np.testing.assert_allclose(get_loss(name).compute_residual(scores, y), s.grad.numpy(), atol=1e-12)
