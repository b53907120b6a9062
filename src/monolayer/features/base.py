"""What all transformers of images share: rows become images, and blocks of them are computed on all cores."""

from __future__ import annotations

import hashlib
import json
import math
from abc import abstractmethod
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from numbers import Integral
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from monolayer.errors import BadInput
from monolayer.progress import SILENCE, Progress
from monolayer.threads import count_cores, limit_blas_threads

Array = npt.NDArray[Any]
Shape = tuple[int, int, int]
# Images of a block. Their features leave a thread together; what is computed on the way is up to the transformer.
BLOCK = 64


class ImageTransformer(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Features of images, learnt from images alone: labels that are given are not looked at.

    A subclass has ``image_shape`` and ``pixel_max`` among its parameters, and says how it learns (``_learn``), what it
    has learnt (``get_tensors``) and what a block of images becomes (``_compute``).

    Attributes:
        image_shape_: (channels, height, width) of the images that were learnt from.
        n_features_in_: values of an image, D.
    """

    image_shape: Shape | None
    pixel_max: float
    # Of the arithmetic, with that of a library where it is the library's: features of another version are others.
    version = "1"
    # Whether it depends on which images it learns from.
    learns = False

    def fit(self, X: Array, y: object = None) -> Self:
        """Learn from images.

        Args:
            X: (n, D), a row an image, channel-major (all red, all green, all blue), 0 to ``pixel_max``.
            y: not looked at.

        Raises:
            BadInput: if the rows are no images of the shape, or a parameter is not accepted.
        """
        del y
        self.prepare(X)
        return self.learn(X, np.arange(len(X)))

    def prepare(self, X: Array) -> None:
        """Take the shape of images (n, D), and check the parameters; :meth:`learn` is next.

        Raises:
            BadInput: as :meth:`fit`.
        """
        self.image_shape_: Shape = find_shape(X, self.image_shape)
        self.n_features_in_: int = int(X.shape[1])
        if not (isinstance(self.pixel_max, int | float) and 0 < self.pixel_max < math.inf):
            raise BadInput(f"pixel_max is {self.pixel_max!r}; accepted is a number above 0.")
        self._check()

    def check_number(self, n_images: int) -> None:
        """Raise BadInput if so many images are too few to learn from; :meth:`prepare` comes first."""

    def learn(self, X: Array, index: Array, progress: Progress = SILENCE) -> Self:
        """Learn from these rows, (n,), of images that :meth:`prepare` has seen; ``progress`` is told how far it is."""
        with limit_blas_threads():  # the last digits of a product depend on how many threads share it
            self._learn(X, index, progress)
        return self

    def transform(self, X: Array) -> Array:
        """Features (n, F), float32, of images (n, D).

        Raises:
            BadInput: if the rows are no images of the shape that was learnt from.
        """
        check_is_fitted(self, "image_shape_")
        features, start = np.empty((len(X), self.n_features_out), np.float32), 0
        for block in self.iterate(X):
            features[start : start + len(block)] = block
            start += len(block)
        return features

    def iterate(self, X: Array, *, mirrored: bool = False, progress: Progress = SILENCE) -> Iterator[Array]:
        """The features of blocks of images, (about 64, F), float32, in order, made on all cores meanwhile.

        An image's features are its own: they do not depend on which others stand beside it, but for what rounds off.
        Until the last block BLAS computes in one thread, whoever calls it.

        Args:
            X: images (n, D).
            mirrored: whether the features are to be those of the images mirrored left-right.
            progress: told how many are done.
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
    def n_features_out(self) -> int:
        """Number of features F of an image."""
        return len(self._compute(np.zeros((1, *self.image_shape_), np.float32))[0])

    def get_feature_names_out(self, input_features: object = None) -> Array:
        """Names of the features, (F,): the transformer's, and a number."""
        del input_features
        name = type(self).__name__.lower()
        return np.array([f"{name}{i}" for i in range(self.n_features_out)], dtype=object)

    def describe(self) -> dict[str, Any]:
        """The parameters by name, and the shape of the images that it has learnt from, as JSON has them."""
        shape = getattr(self, "image_shape_", self.image_shape)
        words = {**self.get_params(), "image_shape": None if shape is None else list(map(int, shape))}
        return {name: value.item() if isinstance(value, np.generic) else value for name, value in words.items()}

    def say(self) -> str:
        """What it is, in a line: the parameters that are not the usual ones, without the shape of the images."""
        kind = type(self)
        usual = kind().get_params()
        told = [f"{n}={v!r}" for n, v in self.get_params().items() if v != usual[n] and n != "image_shape"]
        return f"{kind.__name__}({', '.join(told)})"

    def restore(self, tensors: Mapping[str, Array]) -> Self:
        """What has learnt these tensors before, from images of ``image_shape``.

        Raises:
            BadInput: if a parameter is not accepted.
            KeyError, ValueError: if the tensors are not those of this transformer.
        """
        if self.image_shape is None:
            raise ValueError("without a shape of images")
        self.prepare(np.empty((1, math.prod(self.image_shape)), np.uint8))
        self._take(tensors)
        return self

    @property
    def sha256(self) -> str:
        """SHA-256 of what it is and what it has learnt: equal ones make equal features of equal images."""
        words = [type(self).__name__, self.version, self.describe()]
        digest = hashlib.sha256(json.dumps(words, sort_keys=True).encode())
        for name, tensor in sorted(self.get_tensors().items()):
            digest.update(f"{name}{tensor.dtype.name}{tensor.shape}".encode())
            digest.update(np.ascontiguousarray(tensor).data)
        return digest.hexdigest()

    def shape_images(self, X: Array) -> Array:
        """Rows (n, D) as images (n, channels, height, width), float32, 0 to 255.

        Raises:
            BadInput: if they are no images of the shape that was learnt from.
        """
        self._check_images(X)
        images = np.asarray(X, np.float32).reshape(-1, *self.image_shape_)
        return images * np.float32(255 / self.pixel_max)

    def _check_images(self, X: Array) -> None:
        check_is_fitted(self, "image_shape_")
        if X.ndim != 2 or X.shape[1] != self.n_features_in_:
            raise BadInput(f"X has shape {X.shape}; accepted are images of {self.n_features_in_} values, a row each.")

    def _compute_block(self, X: Array, start: int, mirrored: bool) -> Array:
        images = self.shape_images(X[start : start + BLOCK])
        return self._compute(np.ascontiguousarray(images[..., ::-1]) if mirrored else images)

    @abstractmethod
    def _check(self) -> None:
        """Raise BadInput for a parameter that is not accepted, or does not go with ``image_shape_``."""

    @abstractmethod
    def _learn(self, X: Array, index: Array, progress: Progress) -> None:
        """Learn from these rows, (n,), of images X, which may be a file."""

    @abstractmethod
    def get_tensors(self) -> Mapping[str, Array]:
        """What was learnt, as arrays by name; parameters and these make the transformer again."""

    def _take(self, tensors: Mapping[str, Array]) -> None:
        """Take what :meth:`get_tensors` gave."""
        del tensors

    @abstractmethod
    def _compute(self, images: Array) -> Array:
        """Features (n, F), float32, of images (n, channels, height, width), float32, 0 to 255."""


def check_whole(name: str, value: object, least: int = 1) -> None:
    """Raise BadInput unless a parameter is a whole number that is large enough."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise BadInput(f"{name} is {value!r}; accepted is a whole number of {least} or above.")


def find_shape(X: Array, asked: Shape | None) -> Shape:
    """(channels, height, width) of images in rows: as asked, or else a square, grey or red, green and blue.

    Raises:
        BadInput: if rows are no images of that shape, or of no shape that can be told.
    """
    if X.ndim != 2 or not len(X):
        raise BadInput(f"X has shape {X.shape}; accepted is (n, D) with at least one row, an image each.")
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
    raise BadInput(f"Rows of {n_values} values are no square images; name image_shape, (channels, height, width).")
