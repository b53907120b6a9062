"""The base class of transformers of images: rows become images, whose features are computed in blocks on all cores."""

import hashlib
import json
import math
from abc import abstractmethod
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from monolayer._typing import Array
from monolayer.errors import BadInput
from monolayer.progress import SILENCE, Progress
from monolayer.threads import count_cores, limit_blas_threads

Shape = tuple[int, int, int]
BLOCK = 64  # images whose features a thread computes at a time


class ImageTransformer(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Features of images; labels are ignored.

    A subclass has ``image_shape`` and ``pixel_max`` among its parameters, and implements ``_compute``; one that learns
    from images also implements ``_learn``, ``get_tensors`` and ``_set_tensors``.

    Attributes:
        kind: name of the kind of features, in files and on the command line.
        usage: how the kind is written on the command line, with its first word.
        words: of the kind on the command line: name to (parameter, type). The first needs no name.
        version: of the arithmetic, with the version of a library that computes it; other versions, other features.
        learns: whether the features depend on the images that it is fitted to.
        filters_: of features of patches, the images that patches are compared with, (M, d).
        image_shape_: (channels, height, width) of the images that it was fitted to.
        n_features_in_: values of an image, D.
    """

    kind: ClassVar[str]
    usage: ClassVar[str]
    words: ClassVar[Mapping[str, tuple[str, type]]] = {}

    image_shape: Shape | None
    pixel_max: float
    version = "1"
    learns = False
    filters_: Array

    def fit(self, X: Array, y: object = None) -> Self:
        """Learn from images.

        Args:
            X: (n, D), one image per row, channel-major (all red, all green, all blue), 0 to ``pixel_max``.
            y: ignored.

        Raises:
            BadInput: if the rows do not have the shape of the images, or a parameter is not accepted.
        """
        del y
        self.prepare(X)
        return self.learn(X, np.arange(len(X)))

    def prepare(self, X: Array) -> None:
        """Set the shape of the images (n, D) and check the parameters, before :meth:`learn`.

        Raises:
            BadInput: as :meth:`fit`.
        """
        self.image_shape_: Shape = find_shape(X, self.image_shape)
        self.n_features_in_: int = int(X.shape[1])
        if not (isinstance(self.pixel_max, int | float) and 0 < self.pixel_max < math.inf):
            raise BadInput(f"pixel_max is {self.pixel_max!r}; accepted is a number above 0.")
        self._check()

    def check_number(self, n_images: int) -> None:
        """Raise BadInput if this number of images is too small to learn from; call after :meth:`prepare`."""

    def learn(self, X: Array, index: Array, progress: Progress = SILENCE) -> Self:
        """Learn from the images at ``index``, (n,), after :meth:`prepare`."""
        with limit_blas_threads():  # the last digits of a product depend on the number of threads
            self._learn(X, index, progress)
        return self

    def transform(self, X: Array) -> Array:
        """Features (n, F), float32, of images (n, D).

        Raises:
            BadInput: if the rows do not have the fitted shape.
        """
        check_is_fitted(self, "image_shape_")
        features, start = np.empty((len(X), self.n_features_out), np.float32), 0
        for block in self.iterate(X):
            features[start : start + len(block)] = block
            start += len(block)
        return features

    def iterate(self, X: Array, *, mirrored: bool = False, progress: Progress = SILENCE) -> Iterator[Array]:
        """The features of blocks of images, (at most 64, F), float32, in order, computed on all cores.

        The features of an image do not depend on the other images, except for rounding. BLAS is limited to one thread
        until the last block, in the whole process.

        Args:
            X: images (n, D).
            mirrored: whether to mirror the images left-right.
            progress: reports the number of images.
        """
        self._check_images(X)
        n_threads, starts = count_cores(), iter(range(0, len(X), BLOCK))
        waiting: deque[Future[Array]] = deque()
        with limit_blas_threads(), ThreadPoolExecutor(n_threads) as threads:
            try:
                for done in range(0, len(X), BLOCK):
                    while len(waiting) <= n_threads and (start := next(starts, None)) is not None:
                        waiting.append(threads.submit(self._compute_block, X, start, mirrored))
                    progress.advance("features", done, len(X), "images")
                    yield waiting.popleft().result()
            finally:
                for future in waiting:
                    future.cancel()
        progress.advance("features", len(X), len(X), "images")

    @property
    def patch_shape(self) -> Shape | None:
        """(channels, height, width) of a patch; None if the features do not compare patches with ``filters_``."""
        return None

    def locate(self, X: Array, weights: Array) -> Array:
        """Scores (n, K) of images divided among the places of their patches, (n, K, rows, columns).

        Args:
            X: images (n, D).
            weights: of the features, (K, F).
        """
        raise NotImplementedError

    @property
    def n_features_out(self) -> int:
        """Number of features F of an image."""
        return len(self._compute(np.zeros((1, *self.image_shape_), np.float32))[0])

    def get_feature_names_out(self, input_features: object = None) -> Array:
        """Names of the features, (F,): the transformer's name and a number."""
        del input_features
        name = type(self).__name__.lower()
        return np.array([f"{name}{i}" for i in range(self.n_features_out)], dtype=object)

    def to_dict(self) -> dict[str, Any]:
        """The parameters by name, with the fitted shape of the images, as JSON-compatible values."""
        shape = getattr(self, "image_shape_", self.image_shape)
        words = {**self.get_params(), "image_shape": None if shape is None else list(map(int, shape))}
        return {name: value.item() if isinstance(value, np.generic) else value for name, value in words.items()}

    def describe(self) -> str:
        """The class and the parameters that differ from the defaults, without the shape of the images."""
        default = type(self)().get_params()
        changed = [f"{n}={v!r}" for n, v in self.get_params().items() if v != default[n] and n != "image_shape"]
        return f"{type(self).__name__}({', '.join(changed)})"

    def restore(self, tensors: Mapping[str, Array]) -> Self:
        """Set the tensors that :meth:`get_tensors` returned, for images of ``image_shape``.

        Raises:
            BadInput: if a parameter is not accepted.
            KeyError, ValueError: if the tensors are not those of this transformer.
        """
        if self.image_shape is None:
            raise ValueError("image_shape is missing")
        self.prepare(np.empty((1, math.prod(self.image_shape)), np.uint8))
        self._set_tensors(tensors)
        return self

    @property
    def sha256(self) -> str:
        """SHA-256 of class, version, parameters and tensors: equal hashes give equal features of equal images."""
        words = [type(self).__name__, self.version, self.to_dict()]
        digest = hashlib.sha256(json.dumps(words, sort_keys=True).encode())
        for name, tensor in sorted(self.get_tensors().items()):
            digest.update(f"{name}{tensor.dtype.name}{tensor.shape}".encode())
            digest.update(np.ascontiguousarray(tensor).data)
        return digest.hexdigest()

    def shape_images(self, X: Array) -> Array:
        """Rows (n, D) as images (n, channels, height, width), float32, 0 to 255.

        Raises:
            BadInput: if they do not have the fitted shape.
        """
        self._check_images(X)
        images = np.asarray(X, np.float32).reshape(-1, *self.image_shape_)
        return images * np.float32(255 / self.pixel_max)

    def _check_images(self, X: Array) -> None:
        check_is_fitted(self, "image_shape_")
        if X.ndim != 2 or X.shape[1] != self.n_features_in_:
            raise BadInput(f"X has shape {X.shape}; accepted are images of {self.n_features_in_} values, one per row.")

    def _compute_block(self, X: Array, start: int, mirrored: bool) -> Array:
        images = self.shape_images(X[start : start + BLOCK])
        return self._compute(np.ascontiguousarray(images[..., ::-1]) if mirrored else images)

    def get_tensors(self) -> Mapping[str, Array]:
        """What was learnt, as arrays by name; with the parameters they restore the transformer."""
        return {}

    def _set_tensors(self, tensors: Mapping[str, Array]) -> None:
        """Set what :meth:`get_tensors` returned."""

    def _check(self) -> None:
        """Raise BadInput for a parameter that is not accepted, or does not fit ``image_shape_``."""

    def _learn(self, X: Array, index: Array, progress: Progress) -> None:
        """Learn from the images at ``index``, (n,), of X, which may be memory-mapped."""

    @abstractmethod
    def _compute(self, images: Array) -> Array:
        """Features (n, F), float32, of images (n, channels, height, width), float32, 0 to 255."""


def check_whole(name: str, value: object, least: int = 1) -> None:
    """Raise BadInput unless a parameter is a whole number of at least ``least``."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise BadInput(f"{name} is {value!r}; accepted is a whole number of {least} or above.")


def find_shape(X: Array, asked: Shape | None) -> Shape:
    """(channels, height, width) of images in rows: ``asked``, or else square, grey or red, green and blue.

    Raises:
        BadInput: if the rows do not have this shape, or are not square images.
    """
    if X.ndim != 2 or not len(X):
        raise BadInput(f"X has shape {X.shape}; accepted is (n, D) with at least one row, one image per row.")
    n_values = int(X.shape[1])
    if asked is not None:
        shape = (int(asked[0]), int(asked[1]), int(asked[2]))
        if math.prod(shape) != n_values:
            raise BadInput(f"image_shape is {asked}, which has {math.prod(asked)} values; the rows have {n_values}.")
        return shape
    for channels in (1, 3):
        side = math.isqrt(n_values // channels)
        if channels * side * side == n_values:
            return channels, side, side
    raise BadInput(f"Rows of {n_values} values are not square images; set image_shape, (channels, height, width).")
