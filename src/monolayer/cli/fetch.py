"""``monolayer fetch``: bring a dataset onto the machine."""

import numpy as np

from monolayer.cli import options as opt
from monolayer.cli.console import open_console, print_json, print_line
from monolayer.cli.session import load_dataset
from monolayer.data.cache import find_cache_folder
from monolayer.data.dataset import Dataset
from monolayer.errors import BadInput


def fetch(dataset: opt.DatasetName, data: opt.Data = None, as_json: opt.AsJson = False) -> None:
    """Bring a dataset onto the machine, check it and keep it in the cache.

    Example: monolayer fetch cifar10
    """
    with open_console() as console:
        loaded = load_dataset(dataset, data, console)
    _check_kept(loaded)
    facts = {
        "name": loaded.name,
        "n_train": len(loaded.X),
        "n_test": len(loaded.test.X) if loaded.test else 0,
        "n_features": loaded.X.shape[1],
        "class_names": list(loaded.class_names),
        "source": loaded.source,
        "sha256": loaded.sha256,
    }
    if as_json:
        print_json(facts)
        return
    rows = (
        f"{facts['n_train']:,} training and {facts['n_test']:,} test rows" if loaded.test else f"{len(loaded.X):,} rows"
    )
    print_line(f"{loaded.name}: {rows} of {facts['n_features']:,} features, {loaded.n_classes} classes.")
    print_line(f"source: {loaded.source}")
    print_line(f"SHA-256 of the decoded content: {loaded.sha256}")


def _check_kept(dataset: Dataset) -> None:
    """Raise BadInput if the dataset was not written to the cache; other commands continue with it in memory."""
    if dataset.reading.get("path"):
        raise BadInput(f"{dataset.source} is on this machine already; fetch brings cifar10.")
    if dataset.name != "digits" and not isinstance(dataset.X, np.memmap):
        raise BadInput(f"{find_cache_folder()} cannot be written, so nothing was kept; name another: MONOLAYER_CACHE.")
