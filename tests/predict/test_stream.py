import io
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monolayer.network import OneLayer
from monolayer.predict import stream

NETWORK = OneLayer(np.eye(3, 2), np.zeros(3), np.zeros(2), np.ones(2), "multiple_bce", ("a", "b", "c"))


def ask(text):
    content = text if isinstance(text, bytes) else text.encode()
    return list(stream.iterate_predictions(NETWORK, io.BytesIO(content)))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("[]", "The line is neither"),
        ("5", "The line is neither"),
        ("{}", "The line is neither"),
        ('{"features": [1, 2], "image": "a.png"}', "The line is neither"),
        ('{"features": {"a": 1}}', "features is not a list of numbers"),
        ('{"features": [1, true]}', "features is not a list of numbers"),
        ('{"features": [1, "2"]}', "features is not a list of numbers"),
        ('{"features": [[1, 2]]}', "features is not a list of numbers"),
        ('{"features": [1, null]}', "features is not a list of numbers"),
        ('{"features": [1]}', "features has 1 numbers; the network takes 2"),
        ('{"features": [1, NaN]}', "NaN is not a JSON number"),
        ('{"features": [1, 1e999]}', "a number that is too large"),
        (f'{{"features": [1, 1{"0" * 400}]}}', "a number that is too large"),
        (f'{{"features": [1, 1{"0" * 5000}]}}', "The line is not JSON"),
        ('{"id": 1e999, "features": [1, 2]}', "The line is not JSON"),
        ("[" * 100_000, "The line is not JSON"),
        ('{"image": 3}', "image is not the path of a file"),
        ('{"image": "a\\u0000b"}', "image is not the path of a file"),
        ('{"image": "a.png"}', "was not trained on images"),
        (b"\xff\xfe", "The line is not JSON"),
    ],
)
def test_a_bad_line_is_answered_with_its_number_and_a_sentence(line, message):
    good = b'{"features": [1, 2]}'
    predictions = ask(b"\n".join([good, line if isinstance(line, bytes) else line.encode(), b" ", good]))
    assert [a["line"] for a in predictions] == [1, 2, 4]
    assert message in predictions[1]["error"]
    assert "class" in predictions[0]
    assert "class" in predictions[2]


@given(st.binary(max_size=60))
def test_whatever_comes_is_answered_line_by_line_in_json(content):
    predictions = ask(content)
    assert len(predictions) == sum(bool(line.strip()) for line in content.split(b"\n"))
    for answer in predictions:
        assert json.loads(json.dumps(answer, allow_nan=False))["line"] >= 1


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=2), st.none() | st.text() | st.integers())
def test_features_and_ids_come_through(features, name):
    (answer,) = ask(json.dumps({"id": name, "features": features}))
    assert answer["id"] == name
    message = [answer["probabilities"][k] for k in "abc"]
    np.testing.assert_array_equal(message, NETWORK.compute_probabilities(np.array([features]))[0])


def test_a_line_without_end_is_not_read_into_memory(monkeypatch):
    monkeypatch.setattr(stream, "MAX_LINE", 64)
    predictions = ask(b"\n".join([b" " * 1000 + b"{}", b'{"features": [1, 2]}', b"x" * 65, b"y" * 64]))
    assert [a["line"] for a in predictions] == [1, 2, 3, 4]
    assert all("longer than" in predictions[i]["error"] for i in (0, 2))
    assert "class" in predictions[1]
    assert "not JSON" in predictions[3]["error"]
