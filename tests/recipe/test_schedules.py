from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monolayer.errors import BadInput
from monolayer.recipe.schedules import SCHEDULES, Schedule, parse_schedule

FACTORS = st.floats(1e-6, 1.0)
WRITTEN = st.one_of(
    st.just(Schedule("constant")),
    st.builds(lambda every, factor: Schedule("step", (every, factor)), st.integers(1, 100).map(float), FACTORS),
    st.builds(lambda factor: Schedule("exponential", (factor,)), FACTORS),
    st.builds(lambda floor: Schedule("cosine", (floor,)), st.floats(0, 1)),
)


@given(schedule=WRITTEN)
def test_what_is_written_is_what_is_read(schedule):
    assert parse_schedule(str(schedule)) == schedule


@given(schedule=WRITTEN, rate=st.floats(1e-6, 10), epochs=st.integers(1, 60))
def test_rates_start_at_the_base_rate_never_rise_and_stay_above_zero_or_at_it(schedule, rate, epochs):
    rates = [schedule.compute_rate(rate, epoch, epochs) for epoch in range(1, epochs + 1)]
    assert rates[0] == pytest.approx(rate, rel=1e-12)
    assert all(later <= earlier * (1 + 1e-12) for earlier, later in pairwise(rates))
    assert min(rates) >= 0


def test_step_divides_after_every_tenth_epoch():
    schedule = parse_schedule("step:10:0.1")
    rates = [schedule.compute_rate(0.001, epoch, 40) for epoch in (1, 10, 11, 20, 21, 31, 40)]
    assert rates == pytest.approx([1e-3, 1e-3, 1e-4, 1e-4, 1e-5, 1e-6, 1e-6])


def test_cosine_ends_near_its_floor():
    schedule = parse_schedule("cosine:0.1")
    assert schedule.compute_rate(1.0, 21, 40) == pytest.approx(0.55)
    assert schedule.compute_rate(1.0, 40, 40) == pytest.approx(0.1, abs=2e-3)


REFUSED = """steps:10:0.1 step step:10 step:0:0.1 step:1.5:0.1 step:10:2 step:10:nan step:a:b step:10:0.1:3 step:inf:0.5
constant:1 exponential:0 exponential:-1 cosine:2 cosine:"""


@pytest.mark.parametrize("text", ["", *REFUSED.split()])
def test_what_is_no_schedule_is_refused_with_how_to_write_one(text):
    with pytest.raises(BadInput, match=r"constant|step:EVERY:FACTOR|exponential:FACTOR|cosine:FLOOR"):
        parse_schedule(text)


def test_every_kind_is_covered_by_the_property_tests():
    assert set(SCHEDULES) == {"constant", "step", "exponential", "cosine"}
