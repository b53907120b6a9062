"""``--config``: options from a file, and the config that a run's folder has."""

import json

import pytest
import typer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monolayer.checks.registry import CHECKS
from monolayer.cli import options as opt
from monolayer.cli.config import LAYOUTS
from monolayer.cli.main import SETTINGS
from monolayer.cli.options import Request, with_options
from monolayer.cli.run_options import RunOptions
from monolayer.cli.tracking import TrackingOptions
from monolayer.data.options import DataOptions, SplitOptions
from monolayer.recipe.recipe import Recipe
from tests.recipe.test_recipe import RECIPES

SIZES = st.one_of(st.none(), st.integers(0, 10**6), st.floats(0.01, 0.99))
NAMES = st.one_of(st.none(), st.text("abcXYZ 0189_-.,:=[]'\"#", min_size=1))
SPLITS = st.builds(
    SplitOptions,
    train_size=st.one_of(st.none(), st.integers(1, 10**6)),
    val_size=SIZES,
    test_size=SIZES,
    split_seed=st.one_of(st.none(), st.integers(0, 2**31)),
)
READINGS = st.builds(
    DataOptions,
    label=NAMES,
    features=NAMES,
    split_by=NAMES,
    group_by=NAMES,
    resize=st.one_of(st.none(), st.tuples(st.integers(1, 99999), st.integers(1, 99999))),
    channels=st.sampled_from([None, 1, 3]),
    normalize=st.sampled_from(["l2", "none"]),
)
RUNS = st.builds(
    RunOptions,
    evaluate_every=st.integers(0, 1000),
    train_every=st.one_of(st.none(), st.integers(0, 1000)),
    engine=st.sampled_from([None, "numpy", "native"]),
    threads=st.one_of(st.none(), st.integers(1, 64)),
    mute=st.lists(st.sampled_from(sorted(CHECKS)), unique=True).map(tuple),
    licence=st.text("CBY-0. 4é"),
)
TRACKINGS = st.builds(
    TrackingOptions,
    trackers=st.lists(st.sampled_from(["mlflow", "mlflow:a", "tensorboard:/b c", "wandb:d"])).map(tuple),
)
AXES = st.dictionaries(
    st.sampled_from(["learning_rate", "l2"]),
    st.one_of(
        st.lists(st.floats(1e-9, 1e9), min_size=1, unique=True),
        st.tuples(st.floats(1e-9, 1), st.floats(2, 1e9)).map(lambda ends: f"log:{ends[0]!r}:{ends[1]!r}"),
    ),
    min_size=1,
)
SEEN = []


@with_options
def everything(
    request: Request,
    dataset: opt.DatasetToTrain = None,
    grid: opt.Grid = None,
    recipe: Recipe = opt.RECIPE,
    split: SplitOptions = opt.SPLIT,
    reading: DataOptions = opt.READING,
    training: RunOptions = opt.TRAINING,
    tracking: TrackingOptions = opt.TRACKING,
    flag: bool = False,
    config: opt.Config = None,
) -> None:
    """A command with every option."""
    SEEN.append((request, [recipe, split, reading, training, tracking], flag))


@pytest.fixture(scope="module", autouse=True)
def _only_here():
    yield
    LAYOUTS.pop("everything")


def read(path):
    """What the command received from a config."""
    app = typer.Typer(**SETTINGS)
    app.command()(everything)
    typer.main.get_command(app).main(["--config", str(path)], prog_name="everything", standalone_mode=False)
    return SEEN.pop()


def write_toml(content):
    lines = [f"{key} = {json.dumps(value)}" for key, value in content.items() if not isinstance(value, dict)]
    for section, values in content.items():
        if isinstance(values, dict):
            lines += [f"[{section}]", *(f"{key} = {json.dumps(value)}" for key, value in values.items())]
    return "\n".join(lines)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(recipe=RECIPES, split=SPLITS, reading=READINGS, training=RUNS, tracking=TRACKINGS, axes=AXES, flag=st.booleans())
def test_options_become_a_config_and_the_same_options_again(
    tmp_path_factory, recipe, split, reading, training, tracking, axes, flag
):
    place = tmp_path_factory.mktemp("config")
    made = [recipe, split, reading, training, tracking]
    sections = dict(zip(("recipe", "split", "reading", "training", "tracking"), map(vars, made), strict=True))
    sections["reading"] = sections["reading"] | {"resize": reading.resize and "{}x{}".format(*reading.resize)}
    sections["training"] = sections["training"] | {"flag": flag}
    (place / "a.json").write_text(json.dumps({"dataset": "digits", "grid": axes, **sections}))
    request, options, found = read(place / "a.json")
    assert (options, found) == (made, flag)
    assert request.config["grid"] == axes
    assert {"loss", "epochs", "normalize", "flag", "dataset", "grid"} <= request.given
    (place / "b.json").write_text(json.dumps(request.config))
    (place / "c.toml").write_text(write_toml(request.config), encoding="utf-8")
    for name in ("b.json", "c.toml"):
        again, options, found = read(place / name)
        assert (options, found, again.config) == (made, flag, request.config)


@pytest.mark.parametrize(
    ("words", "files"),
    [
        (["train", "digits", "--epochs", "3", "--train-size", "40", "--split-seed", "1"], ["predictions.csv"]),
        (
            [
                "sweep", "digits", "--grid", "l2=log:1e-5:1e-1", "--grid", "loss=cross-entropy,multiple-bce",
                "--random", "3", "--epochs", "4", "--halving",
            ],
            ["sweep.csv", "histories.csv"],
        ),
    ],
)  # fmt: skip
def test_the_config_of_a_run_gives_the_same_bytes_and_the_same_config(command, tmp_path, words, files):
    assert command(*words, "--out", tmp_path / "a").code == 0
    assert command(words[0], "--config", tmp_path / "a" / "config.json", "--out", tmp_path / "b").code == 0
    for name in ["network.safetensors", "answers.safetensors", "history.csv", "recipe.json", "config.json", *files]:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_options_on_the_command_line_win_and_options_of_other_commands_are_passed_over(command, tmp_path):
    (tmp_path / "c.toml").write_text(
        "dataset = 'digits'\n[recipe]\nepochs = 2\nloss = 'multiple-bce'\n[split]\nval_size = 200\n"
        "[training]\ncertify = true\n"
    )
    run = command("train", "--config", tmp_path / "c.toml", "--epochs", "1", "--json").json
    assert (run["recipe"]["epochs"], run["recipe"]["loss"], run["val"]["n"]) == (1, "multiple_bce", 200)
    assert "certificate" in run
    found = command("sweep", "--config", tmp_path / "c.toml", "--grid", "l2=0,1", "--json").json
    assert [run["recipe"]["epochs"] for run in found["runs"]] == [2, 2]


def test_a_probe_and_a_ladder_read_and_write_one_too(command, tmp_path, monkeypatch):
    monkeypatch.setenv("MONOLAYER_CACHE", str(tmp_path / "cache"))
    words = ["probe", "digits", "--epochs", "2", "--grid", "l2=0", "--rates", "1", "--batch-size", "20"]
    assert command(*words, "--out", "a").code == 0
    content = json.loads((tmp_path / "place" / "a" / "config.json").read_text())
    assert content["recipe"]["schedule"] == "cosine:0"
    assert command("probe", "--config", "a/config.json", "--out", "b").code == 0
    networks = [(tmp_path / "place" / name / "network.safetensors").read_bytes() for name in "ab"]
    assert networks[0] == networks[1]
    (tmp_path / "l.json").write_text('{"dataset": "digits", "features": ["pixels"], "recipe": {"epochs": 1}}')
    found = command("ladder", "--config", tmp_path / "l.json", "--json").json
    assert (len(found["steps"]), found["plan"]["epochs"]) == (2, 1)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("c.toml", "[recipes]\nl2 = 1", "has 'recipes', which is unknown; accepted are data, dataset, features, grid,"),
        ("c.toml", "recipe = 3", "has 'recipe', which is unknown; accepted are"),
        ("c.toml", "[recipe]\nmomentum = 1", "[recipe] has no option 'momentum'; accepted are batch_size, dtype,"),
        ("c.toml", "[recipe]\nepochs = 1.5", "c.toml: --epochs is '1.5'; accepted is a whole number."),
        ("c.toml", "[recipe]\nepochs = true", "c.toml: --epochs is 'True'; accepted is a whole number."),
        ("c.toml", "[recipe]\nepochs = [1, 2]", "epochs is [1, 2]; accepted is a single value."),
        ("c.toml", "[recipe]\nepochs = -1", "epochs is -1; accepted is a whole number of 1 or above."),
        ("c.toml", "[recipe", "is not TOML ("),
        ("c.json", "{", "is not JSON ("),
        ("c.json", "[]", "is not a table of options."),
        ("c.yaml", "", "accepted is a file whose name ends in .toml or .json."),
        ("missing.toml", None, "cannot be read (No such file or directory)."),
    ],
)
def test_what_is_not_a_config_is_one_sentence_and_leaves_nothing(command, tmp_path, name, text, message):
    if text is not None:
        (tmp_path / name).write_text(text)
    result = command("train", "digits", "--config", tmp_path / name, "--out", tmp_path / "out")
    assert (result.code, result.out) == (2, "")
    assert message in result.err
    assert result.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_names_are_written_with_hyphens_or_underscores(command, tmp_path):
    (tmp_path / "c.toml").write_text("[recipe]\nlearning-rate = 0.5\nbatch_size = 7\nepochs = 1\n")
    recipe = command("train", "digits", "--config", tmp_path / "c.toml", "--json").json["recipe"]
    assert (recipe["learning_rate"], recipe["batch_size"]) == (0.5, 7)
