import json
import os

import numpy as np
from safetensors.numpy import save_file


def make_file(folder):
    rng = np.random.default_rng(0)
    y = np.arange(240) % 3
    good = (rng.standard_normal((240, 6)) + 1.5 * np.eye(6)[y]).astype(np.float16)
    save_file(
        {"layer6": rng.standard_normal((240, 6)).astype(np.float32), "layer12": good, "labels": y},
        folder / "e.safetensors",
    )
    return folder / "e.safetensors"


def test_a_probe_of_two_layers_keeps_its_card_its_page_and_the_winner(command, tmp_path):
    options = [
        "--features",
        "layer6,layer12",
        "--epochs",
        "5",
        "--batch-size",
        "20",
        "--shots",
        "1,5",
        "--repeats",
        "3",
    ]
    out = tmp_path / "probe"
    result = command("probe", make_file(tmp_path), *options, "--out", out, "--json")
    assert result.code == 0, result.err
    assert [one["name"] for one in result.json["features"]] == ["layer12", "layer6"]
    assert {"protocol.md", "protocol.json", "probe.csv", "few-shot.csv", "network.safetensors", "report.html"} <= set(
        os.listdir(out)
    )
    card = (out / "protocol.md").read_text()
    assert all(word in card for word in ("SHA-256", "layer12", "seed"))
    assert json.loads((out / "protocol.json").read_text())
    again = command("probe", make_file(tmp_path), *options, "--json")
    assert again.json["winner"] == result.json["winner"]


def test_bad_input_gets_one_sentence_and_leaves_nothing(command, tmp_path):
    out = tmp_path / "probe"
    result = command("probe", make_file(tmp_path), "--features", "layer6,layer9", "--out", out)
    assert (result.code, result.out) == (2, "")
    assert "layer9" in result.err
    assert not out.exists()
