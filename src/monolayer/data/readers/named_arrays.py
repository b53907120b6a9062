"""What the formats of named arrays share: features and labels of each part are found by the usual names."""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from monolayer._typing import Array
from monolayer.data.options import DataOptions
from monolayer.data.readers.base import ARRAY_OPTIONS, NetworkInput, Raw, ReadCallbacks, Reader, find_part
from monolayer.errors import BadData, BadInput

FEATURES = ("x", "features", "embeddings", "images", "data")
LABELS = ("y", "labels", "label", "targets", "target")
CLASS_NAMES = ("class_names", "label_names")
NAMES = "X and y (or features and labels), each also as train_X, val_X, test_X and so on"


@dataclass(frozen=True)
class NamedArrays:
    """The arrays of a file or folder by name; each is opened on request.

    Args:
        path: the file or folder.
        names: of the arrays.
        open: returns the array of a name.
    """

    path: Path
    names: tuple[str, ...]
    open: Callable[[str], Array]


class NamedArraysReader(Reader):
    """A format of several named arrays; a subclass opens them."""

    options = ARRAY_OPTIONS

    @abstractmethod
    def open(self, path: Path) -> AbstractContextManager[NamedArrays]:
        """The arrays, which can be read within the block.

        Raises:
            BadData: if the file is damaged, here or when an array is opened.
        """

    def read(self, path: Path, options: DataOptions, callbacks: ReadCallbacks) -> Mapping[str, Raw]:
        """Features and labels with the usual names, or the names in ``options``; other arrays are not opened."""
        with self.open(path) as source:
            features = find_features(source, options.features, options.label)
            labels = sort_by_part(source.names, (options.label,) if options.label else LABELS)
            parts = {}
            for part, name in features.items():
                label = labels.get(part) or (labels.get("train") if len(features) == 1 else None)
                if label is None:
                    wanted = f"named {options.label!r}" if options.label else "such as y or labels"
                    raise BadData(f"{path}: has no labels {wanted} for {name}; it has {', '.join(source.names)}.")
                raw = Raw(source.open(name), np.asarray(source.open(label)))
                parts[part] = add_columns(raw, part, source, options)
            return name_classes(parts, source)

    def iterate(self, path: Path, expected: NetworkInput) -> Iterator[Array]:
        """The features of the only part, or the array that ``expected`` names."""
        with self.open(path) as source:
            name = self._choose_features(source, expected.features)
            X = source.open(name)
            if not X.ndim:
                raise BadData(f"{path}: {name} is a single value; accepted is one row per example.")
            for start in range(0, len(X), expected.block_size):
                yield expected.flatten(X[start : start + expected.block_size], path)

    def _choose_features(self, source: NamedArrays, name: str | None) -> str:
        names = list(find_features(source, name).values())
        if len(names) > 1:
            raise BadInput(
                f"{source.path}: holds features of several parts, {', '.join(names)}; name one with --features."
            )
        return names[0]


def find_features(source: NamedArrays, name: str | None, label: str | None = None) -> dict[str, str]:
    """The names of the arrays of features by part: of the given name, or else of the usual names.

    Raises:
        BadData: if there are none; the text lists the candidates.
    """
    features = sort_by_part(source.names, (name,) if name else FEATURES)
    if features:
        return features
    if name:
        has = ", ".join(source.names) or "nothing"
        raise BadData(f"{source.path}: has no features named {name!r}; it has {has}.")
    labels = {*sort_by_part(source.names, (label,) if label else LABELS).values(), *CLASS_NAMES}
    others = [other for other in source.names if other not in labels]
    advice = f"name one (--features) of {', '.join(others)}" if others else "it has no other arrays"
    raise BadData(f"{source.path}: has no features such as {NAMES}; {advice}.")


def add_columns(raw: Raw, part: str, source: NamedArrays, options: DataOptions) -> Raw:
    """The rows with the arrays that --split-by and --group-by name; each part may have its own, as train_patient."""
    found: dict[str, Array | None] = {"parts": None, "groups": None}
    for field, wanted, option in (("parts", options.split_by, "split-by"), ("groups", options.group_by, "group-by")):
        if wanted is None:
            continue
        name = sort_by_part(source.names, (wanted,)).get(part)
        if name is None:
            place = f" for the {part} rows" if part != "train" else ""
            names = ", ".join(source.names)
            raise BadData(f"{source.path}: has no array {wanted!r}{place}, which --{option} names; it has {names}.")
        found[field] = np.asarray(source.open(name))
    return replace(raw, parts=found["parts"], groups=found["groups"])


def name_classes(parts: dict[str, Raw], source: NamedArrays) -> dict[str, Raw]:
    """The parts with the names of the classes, where there is an array of them."""
    names = next((source.open(name) for name in CLASS_NAMES if name in source.names), None)
    if names is None:
        return parts
    texts = tuple(one.decode() if isinstance(one, bytes) else str(one) for one in np.atleast_1d(names).tolist())
    return {part: replace(raw, class_names=texts) for part, raw in parts.items()}


def sort_by_part(names: Iterable[str], bases: tuple[str, ...]) -> dict[str, str]:
    """Names by part: ``train_X``, ``X_train`` and ``X`` (training) for the base ``x``; the first base that occurs."""
    names = list(names)
    for base in bases:
        found: dict[str, str] = {}
        for name in names:
            if part := _match(name, base):
                found.setdefault(part, name)
        if found:
            return found
    return {}


def _match(name: str, base: str) -> str | None:
    """The part that ``name`` adds to ``base``."""
    lower, base = name.lower(), base.lower()
    if lower == base:
        return "train"
    words = (lower.removesuffix(f"_{base}"), lower.removeprefix(f"{base}_"))
    return next((part for word in words if word != lower and (part := find_part(word))), None)
