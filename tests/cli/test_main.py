import subprocess
import sys

import pytest

from monolayer import __version__


@pytest.mark.parametrize("name", ["fetch", "train", "sweep", "reproduce", "report", "predict"])
def test_every_command_has_help_with_an_example(command, name):
    result = command(name, "--help")
    assert result.code == 0
    assert f"Example: monolayer {name}" in result.out


def test_version_and_help(command):
    assert command("--version").out == f"monolayer {__version__}\n"
    assert "reproduce" in command("--help").out


def test_an_unknown_option_is_bad_input(command):
    assert command("train", "digits", "--momentum", "0.9").code == 2


def test_help_loads_none_of_the_heavy_libraries():
    heavy = "{'numpy', 'scipy', 'sklearn', 'matplotlib', 'PIL', 'jinja2'}"
    code = f"import sys; import monolayer.cli.main; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_fetch_says_what_it_has_and_where_it_is_from(command):
    result = command("fetch", "digits", "--json")
    assert result.json["n_train"] == 1797
    assert result.json["source"] == "scikit-learn's digits"
    assert len(result.json["sha256"]) == 64
