import re
from pathlib import Path

import pytest
from benchmarks.traffic import Caches, Work, count_cache_bytes, count_memory_bytes, count_operations

from benchmarks import traffic

NATIVE = Path(__file__).parents[2] / "src" / "native"
CACHES = Caches(first=32 << 10, width=4)
ENDLESS = Caches(first=1 << 40, width=4)
RUN = Work("one run")


@pytest.mark.parametrize(
    ("name", "file"), [("PANEL", "kernels.hpp"), ("TILE", "kernels.hpp"), ("EVALUATED", "engine.cpp")]
)
def test_the_blocking_is_that_of_the_engine(name, file):
    (found,) = re.findall(rf"constexpr size_t {name} = (\d+);", (NATIVE / file).read_text())
    assert int(found) == getattr(traffic, name)


def test_slabs_are_those_of_the_engine():
    text = (NATIVE / "engine.cpp").read_text()
    assert "MOST_SLABS = 4, PANELS_IN_A_SLAB = 8;" in text
    assert [traffic._count_slab_columns(d) for d in (3072, 1024, 128, 10)] == [768, 512, 128, 64]


def test_training_has_two_products_and_evaluation_one():
    assert count_operations(RUN) == 4 * 49_000 * 3_072 * 10
    assert count_operations(Work("", is_evaluation=True)) == count_operations(RUN) / 2
    assert count_operations(Work("", members=12)) == 12 * count_operations(RUN)


def test_memory_gives_the_rows_once_however_many_networks_there_are():
    assert count_memory_bytes(RUN) == 49_000 * (3_072 + 8 + 8)
    assert count_memory_bytes(Work("", members=64)) == count_memory_bytes(RUN)
    assert count_memory_bytes(Work("", flip=0.5)) - count_memory_bytes(RUN) == 49_000
    assert count_memory_bytes(Work("", is_evaluation=True)) == 49_000 * (3_072 + 8)
    assert count_memory_bytes(Work("", feature_bytes=4)) == 49_000 * (4 * 3_072 + 16)


def test_a_step_of_one_run_is_counted_by_hand():
    floats, weights, residual = 100 * 3_072 * 4, 10 * 3_072 * 4, 10 * 100 * 4
    conversion = 100 * 3_072 + 2 * floats
    scores = 2 * floats + weights
    gradient = floats + residual + 2 * weights
    assert count_cache_bytes(RUN, CACHES) == pytest.approx(490 * (conversion + scores + gradient))


def test_an_evaluation_of_many_columns_fetches_its_weights_for_every_few_rows():
    work = Work("", is_evaluation=True)
    more = count_cache_bytes(work, CACHES) - count_cache_bytes(work, ENDLESS)
    blocks, weights = 49_000 / 64, 10 * 3_072 * 4
    assert more == pytest.approx(blocks * weights * (64 / 4 - 1))


def test_a_batch_whose_panel_outgrows_the_first_cache_comes_once_a_tile():
    small, large = (Work("", members=12, batch_size=size, rows=25_600) for size in (100, 256))
    floats = 25_600 * 3_072 * 4
    tiles = 120 / 5
    for work, times in ((small, 1), (large, tiles)):
        residuals = 48 * 120 * 4 * 25_600  # every panel fetches them
        weights = 25_600 / work.batch_size * 2 * 120 * 3_072 * 4
        gradient = traffic._count_backward(work, CACHES) * 25_600 / work.batch_size
        assert gradient == pytest.approx(times * floats + residuals + weights)
