import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monolayer.errors import BadInput
from monolayer.recipe.shuffle import Shuffle, parse_shuffle

SHUFFLES = st.one_of(st.just(Shuffle()), st.builds(Shuffle, st.integers(1, 40), st.integers(1, 9)))


@given(shuffle=SHUFFLES)
def test_what_is_written_is_what_is_read(shuffle):
    assert parse_shuffle(str(shuffle)) == shuffle


@given(shuffle=SHUFFLES, n=st.integers(1, 500), seed=st.integers(0, 9))
def test_an_epoch_meets_every_row_once_and_a_part_of_it_few_whole_blocks(shuffle, n, seed):
    order = shuffle.draw(np.random.default_rng(seed), n)
    assert sorted(order) == list(range(n))
    parts = [order[part] for part in shuffle.cut(n)]
    assert sum(map(len, parts)) == n
    if shuffle.buffer:
        for part in parts:
            blocks = np.unique(part // shuffle.rows)
            assert len(blocks) <= shuffle.blocks
            assert len(part) == sum(min(shuffle.rows, n - block * shuffle.rows) for block in blocks)


def test_full_is_the_generators_permutation():
    orders = [Shuffle().draw(np.random.default_rng(3), 50), np.random.default_rng(3).permutation(50)]
    np.testing.assert_array_equal(*orders)


def test_blocks_and_rows_change_from_epoch_to_epoch():
    rng, shuffle = np.random.default_rng(0), Shuffle(4, 3)
    first, second = (shuffle.draw(rng, 120) for _ in range(2))
    assert (first != second).any()
    assert set(first[:12] // 4) != set(second[:12] // 4)
    assert any(np.diff(np.sort(first[:12] // 4)) > 1)


@pytest.mark.parametrize(
    "text", ["", "half", "full:1", "block:0:3", "block:5", "block:5:x", "block:1:2:3", "block:-1:2"]
)
def test_what_is_no_shuffle_is_refused_with_how_to_write_one(text):
    with pytest.raises(BadInput, match="accepted are full, block or block:ROWS:BLOCKS"):
        parse_shuffle(text)


def test_block_alone_has_a_size():
    assert str(parse_shuffle("block")) == "block:64:1024"
