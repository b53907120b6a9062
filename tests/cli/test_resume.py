"""What was stopped, or could not be kept, as a user meets it."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys

import pytest

TRAIN = ["train", "digits", "--epochs", "400", "--val-size", "200"]
SWEEP = ["sweep", "digits", "--epochs", "200", "--val-size", "200", "--grid", "learning-rate=0.001,0.01,0.1"]


def stop(words, out, sign):
    """Start the command, press Ctrl-C at the first line that has the sign, and wait; (exit code, stdout, stderr)."""
    words = [sys.executable, "-m", "monolayer", *words, "--out", str(out)]
    with subprocess.Popen(words, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        result = []
        for line in process.stderr:
            result.append(line)
            if line.startswith(sign):
                break
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=120)
    return process.returncode, stdout, "".join(result) + stderr


def read(folder):
    names = ("network.safetensors", "history.csv", "recipe.json", "answers.safetensors", "sweep.csv", "histories.csv")
    return {name: (folder / name).read_bytes() for name in names if (folder / name).exists()}


@pytest.mark.parametrize(("words", "sign"), [(TRAIN, "Epoch 3/"), (SWEEP, "3 recipes in 1 bank")])
def test_ctrl_c_keeps_says_how_to_go_on_and_going_on_ends_with_the_same_bytes(command, tmp_path, words, sign):
    out = tmp_path / "stopped"
    code, stdout, _ = stop(words, out, sign)
    assert code == 130
    assert f"Resume with: monolayer {words[0]} --resume {out}" in stdout
    assert {"report.html", "recipe.json", "network.safetensors", "unfinished"} <= set(os.listdir(out))
    assert command(*words, "--out", tmp_path / "whole").code == 0
    assert read(out) != read(tmp_path / "whole")
    result = command(words[0], "--resume", out)
    assert result.code == 0
    assert "Resume with" not in result.out
    assert sorted(os.listdir(out)) == sorted(os.listdir(tmp_path / "whole"))
    assert read(out) == read(tmp_path / "whole")


@pytest.mark.usefixtures("native")
def test_going_on_with_another_engine_is_said(command, tmp_path, monkeypatch):
    monkeypatch.delenv("MONOLAYER_ENGINE", raising=False)
    stop([*TRAIN, "--engine", "numpy"], tmp_path / "a", "Epoch 3/")
    result = command("train", "--resume", tmp_path / "a")
    assert result.code == 0
    assert "The run began with numpy and resumes with native" in " ".join(result.err.split())
    stop([*TRAIN, "--engine", "numpy"], tmp_path / "b", "Epoch 3/")
    assert "resumes with" not in command("train", "--resume", tmp_path / "b", "--engine", "numpy").err


def test_the_test_rows_of_a_stopped_run_stay_sealed_until_it_is_finished(command, tmp_path):
    out = tmp_path / "out"
    stop(TRAIN, out, "Epoch 3/")
    assert json.loads((out / "evaluation.json").read_text())["test_openings"] == []
    assert command("report", out, "--open-test", "impatience").code == 2
    command("train", "--resume", out)
    assert [o["why"] for o in json.loads((out / "evaluation.json").read_text())["test_openings"]] == [
        "final evaluation"
    ]


def test_a_finished_run_a_strange_folder_and_another_command_are_refused(command, tmp_path):
    finished = tmp_path / "finished"
    assert command("train", "digits", "--epochs", "1", "--out", finished).code == 0
    stop(TRAIN, tmp_path / "out", "Epoch 3/")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    for words, message in (
        (["train", "--resume", finished], "holds no unfinished run to resume"),
        (["train", "--resume", tmp_path / "nowhere"], "holds no unfinished run to resume"),
        (["sweep", "--resume", tmp_path / "out"], "holds an unfinished train; resume it with monolayer train"),
        (["train", "digits", "--out", tmp_path / "out"], "holds a run that is not finished; resume it with --resume"),
        (["train", "--resume", tmp_path / "out", "--epochs", "3"], "--epochs is not accepted with --resume"),
        (["train", "digits", "--resume", tmp_path / "out"], "DATASET is not accepted with --resume"),
        (["train"], "Name a dataset, such as cifar10 or digits, or the folder of a run to resume"),
        (["sweep", "digits"], "A sweep needs an axis"),
    ):
        result = command(*words)
        assert (result.code, result.out) == (2, "")
        assert message in result.err
        assert result.err.count("\n") == 1
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_other_rows_than_those_it_began_with_are_refused(command, tmp_path):
    stop(TRAIN, tmp_path / "out", "Epoch 3/")
    request = tmp_path / "out" / "unfinished" / "request.json"
    content = json.loads(request.read_text())
    content["split"]["val_size"] = 201
    request.write_text(json.dumps(content))
    result = command("train", "--resume", tmp_path / "out")
    assert result.code == 2
    assert "are not those that the run began with" in result.err


def test_a_folder_of_an_older_version_is_one_sentence_and_left_alone(command, tmp_path):
    request = tmp_path / "old" / "unfinished" / "request.json"
    request.parent.mkdir(parents=True)
    request.write_text('{"format": "monolayer-unfinished-1", "command": "train"}')
    result = command("train", "--resume", tmp_path / "old")
    assert result.code == 2
    assert "holds a run of an older version of monolayer: resume it with that, or start it again." in result.err
    assert os.listdir(request.parent) == ["request.json"]


def test_a_disk_that_fills_up_is_one_sentence_and_what_was_kept_goes_on(command, tmp_path):
    """A limit on the size of files stands in for the disk: checkpoints grow with the history, until one is refused."""
    words = [*TRAIN[:3], "3000", *TRAIN[4:], "--evaluate-every", "10"]
    out = tmp_path / "out"
    process = subprocess.run(
        [sys.executable, "-m", "monolayer", *words, "--out", str(out)],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000)),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert process.returncode == 2
    assert "Traceback" not in process.stderr
    assert process.stderr.splitlines()[-1].startswith(f"monolayer: {out}: cannot be written (File too large); ")
    assert process.stderr.rstrip().endswith(f"continue with --resume {out}.")
    assert not list(out.rglob("*.partial"))
    assert command("train", "--resume", out).code == 0
    assert command(*words, "--out", tmp_path / "whole").code == 0
    assert read(out) == read(tmp_path / "whole")


def test_a_folder_that_is_deleted_meanwhile_is_one_sentence(tmp_path):
    out = tmp_path / "out"
    words = [sys.executable, "-m", "monolayer", *TRAIN[:3], "1000000", *TRAIN[4:], "--out", str(out)]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
        for line in process.stderr:
            if line.startswith("Epoch 3/"):
                shutil.rmtree(out)
                break
        _, stderr = process.communicate(timeout=120)
    assert process.returncode == 2
    assert f"{out} was deleted or moved while the run was writing to it; start it again." in stderr
    assert "Traceback" not in stderr
    assert os.listdir(tmp_path) == []


def test_the_page_of_a_resumed_run_names_the_command_that_it_began_with(command, tmp_path):
    stop(TRAIN, tmp_path / "out", "Epoch 3/")
    assert command("predict", tmp_path / "out" / "unfinished", "x.png").code == 2
    command("train", "--resume", tmp_path / "out")
    result = json.loads((tmp_path / "out" / "evaluation.json").read_text())["provenance"]["command"]
    assert result == f"monolayer {' '.join(TRAIN)} --out {tmp_path / 'out'}"
