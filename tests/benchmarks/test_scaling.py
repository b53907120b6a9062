from itertools import pairwise

import pytest
from benchmarks.measuring import Sample
from benchmarks.scaling import STARTS, compute_exponent, list_values, make_jobs, name_job

from tests.benchmarks.made import make_measured, summarise_made


def test_each_axis_is_doubled_three_times():
    for axis in STARTS:
        values = list_values(axis)
        assert len(values) == 4
        assert all(later == 2 * earlier for earlier, later in pairwise(values))


def test_a_command_has_its_own_value_and_the_base_of_the_others():
    command = make_jobs()[name_job("members", 64)]
    words = dict(zip(command[3::2], command[4::2], strict=True))
    assert words == {"--images": "12000", "--dimensions": "3072", "--classes": "10", "--members": "64"}


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0, 2.0])
def test_the_exponent_of_a_power_is_the_power(power):
    assert compute_exponent(tuple(0.3 * 2 ** (power * i) for i in range(4))) == pytest.approx(power)


def test_an_axis_with_a_point_missing_is_left_out():
    measured = make_measured()
    for axis in ("images", "classes"):
        for value in list_values(axis):
            measured.samples[name_job(axis, value)] = [Sample(float(value), 90.0)]
    measured.samples[name_job("classes", 40)] = []
    growths = summarise_made(measured).growths
    assert [growth.axis for growth in growths] == ["images"]
    assert growths[0].exponent == pytest.approx(1.0)
