"""A run and a sweep for trackers to log: small, trained once, with findings and one recipe that diverges."""

from functools import cache

from monolayer.checks.diagnose import diagnose_run, diagnose_sweep
from monolayer.evaluate.predictions import predict_rows
from monolayer.recipe.recipe import Recipe
from monolayer.training.train import train
from monolayer.tuning.sweep import sweep
from tests.made import make_dataset


@cache
def make_splits():
    return make_dataset(image_shape=(3, 2, 2)).split(val=60)


@cache
def make_run():
    splits = make_splits()
    run = train(splits, Recipe(epochs=3, batch_size=20))
    return diagnose_run(run, splits, {"val": predict_rows(run.network, splits.val)})


@cache
def make_sweep():
    splits = make_splits()
    return diagnose_sweep(sweep(splits, Recipe(epochs=3, batch_size=20), grid={"learning_rate": [0.01, 1e38]}), splits)


def list_values(run, name):
    """The history's finite values of a column, with their epochs."""
    rows = [row.to_dict() for row in run.history]
    return [(row["epoch"], row[name]) for row in rows if row[name] is not None]


def log_epochs(logger, run, n_epochs=None):
    """Pass the first epochs of a run to a logger, as training does."""
    for row in run.history[:n_epochs]:
        logger.on_epoch([run.recipe], [row])
