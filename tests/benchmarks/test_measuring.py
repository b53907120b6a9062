import json
import sys

import pytest
from benchmarks.measuring import MeasurementFailed, Sample, measure, measure_rounds, read_sample
from benchmarks.results_file import read_results, write_results

from tests.benchmarks.made import SITTING, make_measured, summarise_made


def python(code):
    return (sys.executable, "-c", code)


def test_a_peer_a_run_and_a_sweep_are_read():
    assert read_sample({"seconds": 2.0, "test_accuracy": 0.4, "epochs": 4}, 9.0) == Sample(2.0, 9.0, 4, 0.4)
    assert read_sample({"seconds": 2.0, "test": {"accuracy": 0.4}, "epochs_done": 3}, 9.0) == Sample(2.0, 9.0, 3, 0.4)
    runs = [{"epochs_done": 40}, {"epochs_done": 3}]
    assert read_sample({"seconds": 2.0, "runs": runs}, 9.0) == Sample(2.0, 9.0, 43, None)


def test_a_run_whose_test_rows_are_sealed_has_no_accuracy():
    assert read_sample({"seconds": 2.0, "test": None}, 9.0).test_accuracy is None


def test_a_command_is_run_and_its_memory_noted():
    sample = measure(python("import sys; print('chatter', file=sys.stderr); print('{\"seconds\": 2.5}')"))
    assert sample.seconds == 2.5
    assert sample.mib > 1


def test_a_command_that_ends_with_an_error_is_quoted():
    with pytest.raises(MeasurementFailed, match="ended with 3 and printed: no such option"):
        measure(python("import sys; print('no such option\\n╰──╯', file=sys.stderr); sys.exit(3)"))


@pytest.mark.parametrize("printed", ["nothing of use", "{}"])
def test_a_command_that_prints_no_seconds_has_failed(printed):
    with pytest.raises(MeasurementFailed, match="no JSON object with seconds"):
        measure(python(f"print({printed!r})"))


def test_rounds_alternate_and_leave_out_what_failed():
    lines = []
    jobs = {"works": python("print('{\"seconds\": 1}')"), "fails": python("raise SystemExit(1)")}
    measured = measure_rounds(jobs, 2, lines.append)
    assert [len(measured.samples[name]) for name in jobs] == [2, 0]
    assert list(measured.failures) == ["fails"]
    assert lines[0].startswith("round 1 of 2, 1 of 2: works: 1 s, ")
    assert lines[1].startswith("round 1 of 2, 2 of 2: fails: FAILED: it ended with 1 and printed: nothing (")
    assert len(lines) == 3


def test_what_takes_long_is_measured_in_the_first_round_only():
    lines = []
    jobs = {name: python("print('{\"seconds\": 1}')") for name in ("short", "long")}
    measured = measure_rounds(jobs, 3, lines.append, once={"long"})
    assert [len(measured.samples[name]) for name in jobs] == [3, 1]


def test_results_can_be_read_and_summarised_again(tmp_path):
    measured = make_measured()
    measured.failures["another"] = "it ended with 2"
    write_results(tmp_path / "bench.json", summarise_made(measured), measured)
    assert read_results(tmp_path / "bench.json") == (SITTING, measured)
    assert json.loads((tmp_path / "bench.json").read_text())["rows"][0]["seconds"] == 25.0
