"""Event files, read back with TensorBoard's own reader."""

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import IMAGES, SCALARS, TENSORS, EventAccumulator
from tensorboard.plugins.hparams import metadata as hparams
from tensorboard.util.tensor_util import make_ndarray

from monolayer.errors import BadInput
from monolayer.trackers import RunLogger, TensorBoardTracker, log_run, log_sweep, open_logger
from tests.trackers.trained import list_values, log_epochs, make_run, make_splits, make_sweep


def read(folder):
    found = EventAccumulator(str(folder), size_guidance={SCALARS: 0, TENSORS: 0, IMAGES: 0})
    found.Reload()
    return found


def read_scalar(events, name):
    return [(event.step, float(make_ndarray(event.tensor_proto))) for event in events.Tensors(name)]


def rounded(values):
    """As an event file holds them: float32."""
    return [(step, float(np.float32(value))) for step, value in values]


def find(place, name):
    (folder,) = [path for path in place.rglob("*") if path.is_dir() and path.name.startswith(name)]
    return folder


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    place = tmp_path_factory.mktemp("events")
    tracker = TensorBoardTracker(place)
    log_run(make_run(), tracker, name="one", splits=make_splits())
    log_sweep(make_sweep(), tracker, name="many: of two")
    return place


def test_a_run_is_there_with_everything(place):
    events, made = read(find(place, "one-")), make_run()
    for name in ("learning_rate", "train_loss", "val_loss", "val_accuracy"):
        assert read_scalar(events, name) == rounded(list_values(made, name))
    low, high = made.evaluation["val"].interval
    assert read_scalar(events, "final/val_accuracy_low") == [(3, pytest.approx(low))]
    assert read_scalar(events, "final/val_accuracy_high") == [(3, pytest.approx(high))]
    (text,) = events.Tensors("findings")
    assert all(f.code in make_ndarray(text.tensor_proto)[0].decode() for f in made.findings if f.is_news)
    (image,) = events.Images("figures/run-templates")
    assert image.encoded_image_string.startswith(b"\x89PNG")
    assert image.width > image.height > 50


def test_settings_are_hyperparameters(place):
    events, made = read(find(place, "one-")), make_run()
    content = events.SummaryMetadata(hparams.SESSION_START_INFO_TAG).plugin_data.content
    found = hparams.parse_session_start_info_plugin_data(content).hparams
    assert found["learning_rate"].number_value == made.recipe.learning_rate
    assert found["loss"].string_value == "cross_entropy"


def test_a_sweep_is_a_folder_of_folders(place):
    above, swept = find(place, "many"), make_sweep()
    assert above.name.startswith("many_of_two-")
    content = read(above).SummaryMetadata(hparams.EXPERIMENT_TAG).plugin_data.content
    experiment = hparams.parse_experiment_plugin_data(content)
    assert [info.name for info in experiment.hparam_infos] == ["learning_rate"]
    assert "val_accuracy" in [info.name.tag for info in experiment.metric_infos]
    for run in swept.runs:
        events = read(find(above, f"learning_rate={run.recipe.learning_rate}-"))
        assert read_scalar(events, "val_accuracy") == rounded(list_values(run, "val_accuracy"))


def test_what_an_earlier_process_logged_counts_once(tmp_path):
    made = make_run()
    for n in (3, 2, 3):
        with open_logger(f"tensorboard:{tmp_path}", name="again", token="t") as logger:
            log_epochs(logger, made, n)
    assert read_scalar(read(find(tmp_path, "again-")), "val_loss") == rounded(list_values(made, "val_loss"))


def test_a_folder_must_be_named(tmp_path):
    with pytest.raises(BadInput, match="accepted is tensorboard:DIR"):
        TensorBoardTracker()
    (tmp_path / "file").touch()
    with pytest.raises(BadInput, match="cannot be written"):
        TensorBoardTracker(tmp_path / "file")


def test_a_long_name_is_cut_and_stays_unique(tmp_path):
    tracker = TensorBoardTracker(tmp_path)
    runs = [RunLogger(name="n" * 400, token=token).make_run(make_run().recipe) for token in "ab"]
    for run in runs:
        tracker.start_run(run)
    assert len({tracker.find_folder(run) for run in runs}) == 2
