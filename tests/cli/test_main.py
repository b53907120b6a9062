import subprocess
import sys

import pytest

from monolayer import __version__
from monolayer.cli.main import COMMANDS
from tests.made import make_dataset


@pytest.mark.parametrize(
    "name", ["fetch", "train", "sweep", "audit", "reproduce", "report", "predict", "calibrate", "export"]
)
def test_every_command_has_help_with_an_example(command, name):
    result = command(name, "--help")
    assert result.code == 0
    assert f"Example: monolayer {name}" in result.out


def test_every_example_starts_a_line_and_groups_have_the_same_options(command):
    lines = command("report", "--help").out.splitlines()
    assert sum(line.strip().startswith("Example: monolayer report") for line in lines) == 3
    assert "--install-completion" not in command("data", "--help").out


def test_version_and_help(command):
    assert command("--version").out == f"monolayer {__version__}\n"
    assert "reproduce" in command("--help").out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train", "digits", "--momentum", "0.9"], "No such option: --momentum"),
        (["train", "digits", "--epochs", "x"], "--epochs is 'x'; accepted is a whole number."),
        (["train", "digits", "--l2", "x"], "--l2 is 'x'; accepted is a number."),
        (
            ["train", "digits", "--features", "patchs:50"],
            "--features 'patchs:50' is not a kind of features; accepted are",
        ),
        (["probe"], "Missing argument"),
        (["sweep", "digits", "--top", "0"], "--top is '0'; accepted is a whole number of 1 or above."),
        (["nothing"], "No such command 'nothing'."),
        (["train", "digits", "--out", ""], "--out: '' is not the name of a folder; accepted is a path."),
        (["probe", "digits", "--rates=-1"], "--rates is '-1'; accepted are multiples above 0"),
    ],
)
def test_what_cannot_be_read_is_bad_input_in_one_line(command, words, message):
    result = command(*words)
    assert result.code == 2
    assert result.err.startswith(f"monolayer: {message}")
    assert result.err.count("\n") == 1
    assert result.out == ""


def test_the_commands_are_listed_by_the_first_lines_of_their_docstrings(command):
    for name, text in COMMANDS.items():
        assert " ".join(command(name, "--help").out.split("\n\n")[1].split()) == text


@pytest.mark.parametrize(
    ("words", "heavy"),
    [
        ("", "numpy scipy sklearn matplotlib PIL jinja2 rich"),
        ("train", "scipy sklearn matplotlib PIL jinja2 rich"),
        ("sweep", "scipy sklearn matplotlib PIL jinja2 rich"),
        ("probe", "scipy sklearn matplotlib PIL jinja2 rich"),
    ],
)
def test_help_loads_none_of_the_heavy_libraries(words, heavy):
    code = (
        f"import sys, atexit; sys.argv[1:] = {[*words.split(), '--help']}\nfrom monolayer.cli.main import main\n"
        f"atexit.register(lambda: print('loaded', sorted(set({heavy.split()}) & set(sys.modules))))\nmain()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("loaded []")


def test_what_the_system_refuses_is_one_sentence(command, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied", "/secret")

    monkeypatch.setattr("monolayer.cli.predict.load_network", refuse)
    result = command("predict", "net", "/secret")
    assert (result.code, result.err) == (2, "monolayer: /secret: Permission denied.\n")


def test_fetch_that_could_keep_nothing_has_failed(command, monkeypatch, tmp_path):
    content = make_dataset(n=30, n_features=3072, n_classes=10, image_shape=(3, 32, 32))
    monkeypatch.setattr("monolayer.data.load.load_cifar10", lambda *_, **__: content)
    result = command("fetch", "cifar10")
    assert result.code == 2
    assert "nothing was kept" in result.err


def test_fetch_says_what_it_has_and_where_it_is_from(command):
    result = command("fetch", "digits", "--json")
    assert result.json["n_train"] == 1797
    assert result.json["source"] == "scikit-learn's digits"
    assert len(result.json["sha256"]) == 64
