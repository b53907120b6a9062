import numpy as np
import pytest

from monolayer.data.scaler import Scaler
from monolayer.engine.bank import make_bank
from monolayer.engine.batches import make_batch_order
from monolayer.errors import BadInput
from monolayer.recipe.recipe import Recipe

SCALER = Scaler(np.zeros(6), np.linspace(0.5, 3, 6))


def test_weights_are_the_first_draw_of_the_seeds_generator():
    recipes = [Recipe(init_std=s, dtype="float64") for s in (0.01, 0.5)]
    bank = make_bank(recipes, SCALER, 4)
    normal = np.random.default_rng(42).standard_normal((4, 6))
    for member, recipe in enumerate(recipes):
        np.testing.assert_allclose(bank.compute_weights(member), recipe.init_std * normal, rtol=1e-14)
    np.testing.assert_allclose(
        bank.compute_squared_norms(), [(s * normal).ravel() @ (s * normal).ravel() for s in (0.01, 0.5)]
    )
    assert not bank.bias.any()


def test_orders_follow_the_weights_and_flips_have_their_own_stream():
    rng = np.random.default_rng(42)
    rng.standard_normal((4, 6))
    plain, flipped = (make_batch_order(Recipe(flip=flip), 4, 6) for flip in (0.0, 0.5))
    for _ in range(3):
        expected = rng.permutation(50)
        order, mirrored = plain.draw_epoch(50)
        np.testing.assert_array_equal(order, expected)
        assert mirrored is None
        order, mirrored = flipped.draw_epoch(50)
        np.testing.assert_array_equal(order, expected)
        assert mirrored.shape == (50,)
        assert 0 < mirrored.sum() < 50


@pytest.mark.parametrize("change", [{"seed": 1}, {"batch_size": 7}, {"flip": 0.5}, {"epochs": 3}, {"dtype": "float64"}])
def test_what_members_must_share_is_checked(change):
    with pytest.raises(BadInput, match=f"these differ in {next(iter(change))}"):
        make_bank([Recipe(), Recipe().replace(**change)], SCALER, 4)


def test_an_empty_bank_is_refused():
    with pytest.raises(BadInput, match="at least one recipe"):
        make_bank([], SCALER, 4)
