"""CIFAR-10 from the cache, a copy on this machine, or the network; its content is always checked.

Source: Krizhevsky, Learning multiple layers of features from tiny images, 2009, https://www.cs.toronto.edu/~kriz/cifar.html
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from monolayer.data import cache
from monolayer.data.dataset import Dataset
from monolayer.data.sources import local
from monolayer.data.sources.content import IMAGE_SHAPE, Batch, Content
from monolayer.data.sources.download import SourceFailed, TimeLimits, TooSlow
from monolayer.data.sources.mirrors import MIRRORS, HomePage, Mirror
from monolayer.errors import BadData, BadInput, DataUnavailable
from monolayer.progress import SILENCE, Progress

CLASS_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


@dataclass(frozen=True)
class Expected:
    """The numbers of images of CIFAR-10, and ``compute_sha256`` of its training and test file."""

    n_train: int
    n_test: int
    sha256: str


EXPECTED = Expected(50_000, 10_000, "94c210696adcb6f23ad3278010a8edbd2cd088f06fbe07e25eb08eeb4bce63c0")
LIMITS = TimeLimits()
FAILURES = (SourceFailed, BadData, OSError)


def load_cifar10(path: Path | None = None, *, progress: Progress = SILENCE) -> Dataset:
    """The 50,000 training images, with the 10,000 test images as ``test``; memory-mapped from the cache.

    A copy that ``path`` or the variable ``MONOLAYER_DATA`` names is always read and checked, and no other source is
    tried. Otherwise the sources are, in this order: the cache; copies of Keras, torchvision or Hugging Face on this
    machine; the network.

    Args:
        path: a folder or archive that holds a copy.
        progress: reports the source that is tried, why one failed, and how much has been read.

    Returns:
        X (50000, 3072) uint8, channel-major; y (50000,) int64.

    Raises:
        BadInput: if ``path`` does not exist.
        BadData: if the named copy is not CIFAR-10; the text names the file.
        DataUnavailable: if no source could be read; the text lists each source and the reason.
    """
    named = _find_named(path)
    folder = cache.find_cache_folder() / "cifar10"
    read = None if named is None else _make_dataset(local.read(named), str(named))
    cached, is_damaged = _open_cached(folder, progress)
    if cached is not None:  # the same content, memory-mapped
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
    """The dataset in the cache, or None; and whether the cache is damaged."""
    try:
        content = cache.open_cached(folder)
        # All of it is hashed each time (0.2 s), so that every flipped bit and half-copied file is found.
        return (None if content is None else _make_dataset(content, str(folder))), False
    except BadData as error:
        progress.info(f"The cache is damaged and will be written again: {error}")
        return None, True


def _keep(dataset: Dataset, folder: Path, progress: Progress, *, replace_damaged: bool) -> Dataset:
    """The dataset from the cache, after it was stored there; or unchanged if the cache cannot be written."""
    try:
        cache.store(dataset, folder, replace=replace_damaged)
    except OSError as error:
        progress.info(f"{folder} cannot be written ({error.strerror or error}); CIFAR-10 is kept in memory instead.")
        return dataset
    cached, _ = _open_cached(folder, progress)
    return cached if cached is not None else dataset


def _make_dataset(content: Content, where: str) -> Dataset:
    """The dataset, after its counts and SHA-256 were checked.

    Raises:
        BadData: if they differ; the text names ``where``, what was expected and what was found.
    """
    found = len(content.train[0]), len(content.test[0])
    if found != (EXPECTED.n_train, EXPECTED.n_test):
        raise BadData(
            f"{where}: {found[0]:,} training and {found[1]:,} test images; "
            f"CIFAR-10 has {EXPECTED.n_train:,} and {EXPECTED.n_test:,}."
        )
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


def _fetch(progress: Progress) -> Dataset:
    """The dataset from the first source that can be read.

    Raises:
        DataUnavailable: if there is none.
    """
    reasons: dict[str, str] = {}
    dataset = next(chain(_try_copies(progress, reasons), _try_network(progress, reasons)), None)
    if dataset is None:
        tried = "".join(f"\n  {name}: {reason}" for name, reason in reasons.items())
        raise DataUnavailable(
            f"CIFAR-10 could not be read from any source:{tried}\n"
            f"On a machine with a network, download {HomePage.url}; then name the file with --data PATH or "
            f"MONOLAYER_DATA=PATH (accepted is {local.ACCEPTED})."
        )
    return dataset


def _try_copies(progress: Progress, reasons: dict[str, str]) -> Iterator[Dataset]:
    for copy in local.find_copies():
        progress.info(f"CIFAR-10: reading the copy in {copy}")
        try:
            yield _make_dataset(local.read(copy), str(copy))
        except FAILURES as error:
            reasons[f"the copy in {copy}"] = str(error)
            progress.info(f"CIFAR-10: this copy cannot be used: {error}")


def _try_network(progress: Progress, reasons: dict[str, str]) -> Iterator[Dataset]:
    """Each mirror in turn; when all have failed, the slow ones once more without a time limit."""
    slow = []
    for mirror in MIRRORS:
        if not mirror.is_usable():  # a missing optional package is not a failure
            continue
        try:
            yield from _try_mirror(mirror, LIMITS, progress, reasons)
        except TooSlow as error:
            slow.append(mirror)
            reasons[mirror.name] = str(error)
            progress.info(f"CIFAR-10: {mirror.name} is slow ({error}); trying others first")
    for mirror in slow:
        yield from _try_mirror(mirror, replace(LIMITS, total_s=None), progress, reasons)


def _try_mirror(mirror: Mirror, limits: TimeLimits, progress: Progress, reasons: dict[str, str]) -> Iterator[Dataset]:
    """The dataset; if it cannot be read, nothing, and the reason in ``reasons``."""
    progress.info(f"CIFAR-10: trying {mirror.name}")
    try:
        yield _make_dataset(mirror.fetch(progress, limits), mirror.name)
    except TooSlow:
        raise
    except FAILURES as error:
        reasons[mirror.name] = str(error)
        progress.info(f"CIFAR-10: {mirror.name} failed: {error}")
