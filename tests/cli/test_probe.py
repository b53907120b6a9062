import csv
import json
import os
import re

import numpy as np
import pytest
from safetensors.numpy import save_file

from monolayer.cli.probe import _name_sets
from monolayer.network import OneLayer
from monolayer.reports.probe import draw_probe
from monolayer.tuning import few_shot
from tests.made import make_dataset

QUICK = ["--epochs", "3", "--batch-size", "20", "--val-size", "60", "--grid", "l2=0,0.1", "--rates", "1,3"]
LAYERS = ["probe", "made.safetensors", "--features", "layer2,layer10", *QUICK]
SHOTS = ["--shots", "1,4", "--repeats", "2"]
FILES = {
    "answers.safetensors", "config.json", "evaluation.json", "few-shot.csv", "figures", "history.csv",
    "model-card.json", "model-card.md", "network.safetensors", "predictions.csv", "probe.csv", "protocol.json",
    "protocol.md", "recipe.json", "report.html", "sweep.csv",
}  # fmt: skip


@pytest.fixture(autouse=True)
def made(monkeypatch, command):
    """made.safetensors with two layers, in the folder where commands run; fewer steps for few rows."""
    monkeypatch.setattr(few_shot, "MIN_STEPS", 40)
    dataset, rng = make_dataset(300, 12, 3, dtype="float32"), np.random.default_rng(1)
    noise = rng.standard_normal((450, 12)) * 300
    tensors = {}
    for part, rows, start in (("train", dataset, 0), ("test", dataset.test, 300)):
        noisy = rows.X + noise[start : start + len(rows.X)]
        tensors |= {f"{part}_layer2": noisy.astype(np.float16), f"{part}_layer10": rows.X, f"{part}_labels": rows.y}
    save_file(tensors, "made.safetensors")


def read_csv(path):
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_json_holds_the_whole_probe_and_nothing_else(command):
    result = command(*LAYERS, *SHOTS, "--json")
    assert result.code == 0
    found = result.json
    assert set(found) == {"features", "winner", "few_shot", "protocol"}
    assert [one["name"] for one in found["features"]] == ["layer10", "layer2"]
    assert [one["dtype"] for one in found["features"]] == ["float32", "float16"]
    assert found["winner"]["features"] == "layer10"
    assert found["winner"]["test"]["n"] == 150
    assert found["protocol"]["n_candidates"] == 8
    assert [(few["shots"], few["n_rows"], few["test"]["n"]) for few in found["few_shot"]] == [(1, 3, 2), (4, 12, 2)]


def test_the_terminal_shows_both_tables_and_who_won(command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    result = command(*LAYERS, *SHOTS).out
    assert re.search(r"layer10 .* \[\d\d\.\d\d, \d+\.\d\d\] .*=", result)
    assert re.search(r"Few shots of layer10: mean ± standard deviation of 2 draws", result)
    assert "layer10 with learning_rate" in result
    assert "on 150 test rows, opened once for it and for its few-shot runs, is" in result
    assert "All others are significantly worse on the validation rows (exact McNemar test)." in result
    assert "**" not in result


def test_the_folder_is_that_of_a_run_with_the_probes_tables_and_card(command, tmp_path):
    out = tmp_path / "probe"
    found = command(*LAYERS, *SHOTS, "--out", out, "--json").json
    assert set(os.listdir(out)) == FILES
    assert [row["features"] for row in read_csv(out / "probe.csv")] == ["layer10", "layer2"]
    assert [row["is_winner"] for row in read_csv(out / "probe.csv")] == ["True", "False"]
    candidates = read_csv(out / "sweep.csv")
    assert [row["features"] for row in candidates] == ["layer10"] * 4 + ["layer2"] * 4
    few = read_csv(out / "few-shot.csv")
    assert [(row["shots"], row["repeat"]) for row in few] == [("1", "0"), ("1", "1"), ("4", "0"), ("4", "1")]
    assert float(few[0]["test_accuracy"]) == found["few_shot"][0]["repeats"][0]["test"]["accuracy"]
    card = json.loads((out / "protocol.json").read_text())
    assert {name: card[name] for name in found} == found
    assert card["provenance"]["command"].startswith("monolayer probe made.safetensors")
    assert len(json.loads((out / "evaluation.json").read_text())["test_openings"]) == 1
    assert OneLayer.load(out / "network.safetensors").weights.shape == (3, 12)
    assert {"features.png", "few-shot.png", "run-accuracy.png"} <= set(os.listdir(out / "figures"))


def test_the_card_says_all_that_somebody_else_needs_and_no_time_of_day(command, tmp_path):
    out = tmp_path / "probe"
    found = command(*LAYERS, *SHOTS, "--out", out, "--json").json
    card = (out / "protocol.md").read_text()
    few = found["few_shot"]
    needed = [one[name] for one in found["features"] for name in ("sha256", "fingerprint")]
    needed += [repeat["rows_sha256"] for one in few for repeat in one["repeats"]]
    needed += [str(value) for one in [*found["features"], *few] for value in one["grid"]["learning_rate"]]
    needed += ["240 train, 60 val, 150 test", "drawn at random by class with seed 0", "8", "default_rng", "numpy"]
    assert [word for word in needed if word not in card] == []
    for name in ("protocol.md", "protocol.json", "report.html"):
        assert not re.search(r"\d{4}-\d\d-\d\d|\d\d:\d\d", (out / name).read_text())


def test_twice_gives_the_same_bytes(command, tmp_path):
    folders = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        command(*LAYERS, *SHOTS, "--out", "out")
        os.rename("out", tmp_path / name / "out")
        folders.append(tmp_path / name / "out")
    for name in sorted(FILES - {"figures", "evaluation.json"}):  # which says how long it took, and when test was opened
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes(), name


def test_the_page_can_be_made_again_from_the_folder(command, tmp_path):
    out = tmp_path / "probe"
    command(*LAYERS, *SHOTS, "--out", out)
    page = (out / "report.html").read_text()
    (out / "report.html").unlink()
    assert command("report", out).code == 0
    assert (out / "report.html").read_text() == page
    for text in ("Probe of 2 feature sets", "Few-shot accuracy", "Candidates and selection", "Findings"):
        assert text in page
    (out / "protocol.json").write_text("{}")
    assert "not a protocol written by monolayer" in command("report", out).err


def test_pictures_show_what_there_is(command):
    both = command(*LAYERS, *SHOTS, "--json").json
    alone = command("probe", "made.safetensors", "--features", "layer10", *QUICK, "--json").json
    assert [picture.name for picture in draw_probe(both)] == ["features", "few-shot"]
    assert draw_probe(alone) == []
    table = draw_probe(both)[0].chart.frame()
    assert table["features"] == ["layer2", "layer10"]  # by the number in their names


def test_several_files_are_a_feature_set_each(command):
    X, y = np.random.default_rng(0).standard_normal((90, 4)), np.arange(90) % 2
    for name in ("cls", "mean"):
        np.save(f"{name}.npy", (X + y[:, None]).astype(np.float32))
    np.save("labels.npy", y)
    words = ["--val-size", "0.2", "--epochs", "2", "--batch-size", "10", "--grid", "l2=0", "--rates", "1"]
    found = command("probe", "cls.npy", "mean.npy", *words, "--json").json
    assert {one["name"] for one in found["features"]} == {"cls", "mean"}
    assert all(one["is_indistinguishable"] for one in found["features"])


@pytest.mark.parametrize(
    ("paths", "features", "names"),
    [
        (["a.npz"], None, {"a": ("a.npz", None)}),
        (["a.npz"], "x", {"x": ("a.npz", "x")}),
        (["a.npz"], "x, y", {"x": ("a.npz", "x"), "y": ("a.npz", "y")}),
        (["d/a.npz", "b.npz"], "x", {"a": ("d/a.npz", "x"), "b": ("b.npz", "x")}),
        (["d/a.npz", "e/a.npz"], None, {"d/a.npz": ("d/a.npz", None), "e/a.npz": ("e/a.npz", None)}),
        (["a.npz", "b.npz"], "x,y", {f"{p}/{f}": (f"{p}.npz", f) for p in "ab" for f in "xy"}),
    ],
)
def test_feature_sets_are_called_by_what_tells_them_apart(paths, features, names):
    assert _name_sets(paths, features) == names


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["probe", "made.safetensors", "--features", "layer2,layer7", *QUICK],
            "has no features named 'layer7'; it has",
        ),
        ([*LAYERS[:3], "layer2,,layer10", *QUICK], "--features 'layer2,,layer10' has an empty name"),
        ([*LAYERS[:3], "layer2,layer2", *QUICK], "layer2 is given twice"),
        (["probe", "made.safetensors", "made.safetensors"], "made.safetensors is given twice"),
        (["probe", "nowhere.npz"], "'nowhere.npz' is not a dataset"),
        ([*LAYERS, "--shots", "1,few"], "--shots is '1,few'; accepted are whole numbers such as 1,5,10"),
        ([*LAYERS, "--shots", "500"], "500 shots are more than the"),
        ([*LAYERS, "--rates", "fast"], "--rates is 'fast'; accepted are numbers such as 0.3,1,3"),
        ([*LAYERS, "--rates", "0"], "multiples above 0 of the stable rate"),
        ([*LAYERS, "--grid", "learning-rate=0.1"], "--rates is not accepted with --grid learning-rate"),
        ([*LAYERS, "--grid", "batch-size=5000"], "batch_size is 5000; accepted are 1 to 240"),
        (["probe", "made.safetensors", "--features", "layer2", "--val-size", "0"], "no rows are held out"),
        ([*LAYERS, "--shots", "1", "--schedule", "step:10:0.1"], "counts epochs"),
        ([*LAYERS, "--mute", "ML999"], "ML999"),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_nothing(command, tmp_path, words, message):
    result = command(*words, "--out", tmp_path / "out")
    assert (result.code, result.out) == (2, "")
    assert message in result.err
    assert os.listdir(tmp_path) == ["place"]


def test_ctrl_c_leaves_nothing(command, tmp_path, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("monolayer.tuning.probe.train_shots", interrupt)
    result = command(*LAYERS, *SHOTS, "--out", tmp_path / "out")
    assert (result.code, result.out) == (130, "")
    assert "Interrupted." in result.err
    assert os.listdir(tmp_path) == ["place"]
