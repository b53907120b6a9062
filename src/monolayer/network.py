"""OneLayer: a trained network."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from safetensors import SafetensorError, safe_open

from monolayer._typing import Array
from monolayer.errors import BadData, BadInput, MissingPackage
from monolayer.features.normalize import compute_row_norms
from monolayer.files import pack_tensors, write_whole
from monolayer.recipe.losses import get_loss

if TYPE_CHECKING:
    from monolayer.features.base import ImageTransformer

BLOCK = 1024
# Values that are centred at a time, 3 MB in float64: on 3,072 features a third of the time that 1,024 rows take.
CENTRED = 400_000
FILE = "network.safetensors"  # in a run's folder
PREFIX = "transformer."  # of the names of a transformer's tensors


@dataclass(frozen=True, eq=False)
class OneLayer:
    """A trained network: scores = W z + b with z = (x - mean) / std.

    Args:
        weights: W, (K, D), float32 or float64.
        bias: b, (K,), same dtype.
        mean, std: the scaler's, (D,), float64, in the unit of the features.
        loss: name of the loss that it was trained with, which defines how scores become probabilities.
        class_names: K names.
        image_shape: (channels, height, width) where the features are an image, else None.
        normalize: ``l2``: every row is divided by its length first, see :class:`monolayer.Dataset`; ``none``.
        metadata: text kept with the network, such as the recipe and the hash of its data.
        transformer: computes the D features from images, if the network takes images; else None.
        temperature: probabilities are computed from scores / temperature; no prediction depends on it. 1 unless it was
            fitted on validation rows after training (``monolayer calibrate``); evaluations use the scores themselves.

    Raises:
        BadInput: if the temperature is not a number above 0.
    """

    weights: Array
    bias: Array
    mean: Array
    std: Array
    loss: str
    class_names: tuple[str, ...]
    image_shape: tuple[int, int, int] | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    normalize: str = "none"
    temperature: float = 1.0
    transformer: ImageTransformer | None = None

    def __post_init__(self) -> None:
        if not (isinstance(self.temperature, int | float) and 0 < self.temperature < math.inf):
            raise BadInput(f"temperature is {self.temperature!r}; accepted is a number above 0.")

    def __repr__(self) -> str:
        """One line, without the arrays."""
        by = "" if self.transformer is None else f" by {self.transformer.describe()}"
        return f"<OneLayer {self.loss}: {self.weights.shape[1]:,} features{by} to {len(self.class_names)} classes>"

    def compute_scores(self, X: Array) -> Array:
        """Scores (n, K), in the weights' dtype, of features X (n, D) in the unit of the training data.

        With a transformer X may be images, (n, :attr:`n_inputs`), in the unit of the images that it was fitted on; if
        images have as many values as features, X is taken to be images.

        Raises:
            BadInput: if X has another number of columns, is not numeric, or has a value that is not finite.
        """
        X = np.asarray(X)
        if X.ndim != 2 or X.shape[1] not in (self.n_inputs, self.weights.shape[1]):
            accepted = " or ".join(f"(n, {n})" for n in dict.fromkeys((self.n_inputs, self.weights.shape[1])))
            raise BadInput(f"X has shape {X.shape}; accepted is {accepted}.")
        if X.dtype.kind not in "uif":
            raise BadInput(f"X is {X.dtype.name}; accepted are integers and floats.")
        scores = np.empty((len(X), len(self.bias)), self.weights.dtype)
        size = max(1, min(BLOCK, CENTRED // X.shape[1]))
        for start in range(0, len(X), size):
            block = self._transform(X[start : start + size], start)
            # Centred in float64 a block at a time: right for any features, and never a copy of the whole.
            z = ((self._normalise(block) - self.mean) / self.std).astype(self.weights.dtype)
            scores[start : start + size] = z @ self.weights.T + self.bias
            # A feature that is not finite makes all scores of its row so, and K scores are fewer than D features.
            if not np.isfinite(scores[start : start + size]).all():
                _check_finite(block, start)
        return scores

    @property
    def n_inputs(self) -> int:
        """Number of values in a row of input: of an image if there is a transformer, else D."""
        return self.weights.shape[1] if self.transformer is None else self.transformer.n_features_in_

    @property
    def input_shape(self) -> tuple[int, int, int] | None:
        """(channels, height, width) of the input if it is an image, else None."""
        return self.image_shape if self.transformer is None else self.transformer.image_shape_

    def _transform(self, X: Array, start: int) -> Array:
        """The features of these rows; those of images in half precision, as in training."""
        if self.transformer is None or X.shape[1] != self.n_inputs:
            return X
        _check_finite(X, start)
        return np.asarray(self.transformer.transform(X).astype(np.float16))

    def _normalise(self, X: Array) -> Array:
        return X if self.normalize == "none" else np.asarray(X / compute_row_norms(X)[:, None])

    def compute_probabilities(self, X: Array) -> Array:
        """Probabilities (n, K) of scores / temperature: softmax, or one sigmoid a class (which need not sum to one).

        Raises:
            BadInput: as :meth:`compute_scores`; if the loss defines no probabilities.
        """
        scores = self.compute_scores(X)
        scores /= scores.dtype.type(self.temperature)
        return get_loss(self.loss).compute_probabilities(scores)

    def compute_output(self, X: Array) -> Array:
        """Probabilities (n, K), or scores (n, K) if the loss defines no probabilities.

        Raises:
            BadInput: as :meth:`compute_scores`.
        """
        compute = self.compute_probabilities if get_loss(self.loss).has_probabilities else self.compute_scores
        return compute(X)

    def predict(self, X: Array) -> Array:
        """Labels (n,), int64: the class of the highest score."""
        return np.asarray(self.compute_scores(X).argmax(axis=1))

    def rescale(self, mean: Array, std: Array) -> OneLayer:
        """A network with the same scores whose features are standardised by another mean and std, (D,)."""
        weights = self.weights * (std / self.std)
        bias = self.bias + self.weights @ ((mean - self.mean) / self.std)
        dtype = self.weights.dtype
        return replace(self, weights=weights.astype(dtype), bias=bias.astype(dtype), mean=mean, std=std)

    def with_metadata(self, **entries: str) -> OneLayer:
        """A copy with these entries added to its metadata; empty ones are left out."""
        return replace(self, metadata={**self.metadata, **{name: text for name, text in entries.items() if text}})

    def check_shapes(self) -> None:
        """Raise ValueError if the shapes of the arrays do not fit together."""
        K, D = len(self.class_names), self.weights.shape[-1]
        if self.transformer is not None and self.transformer.n_features_out != D:
            raise ValueError(f"{self.transformer.n_features_out} features do not fit {D} columns of weights")
        found = (self.weights.shape, self.bias.shape, self.mean.shape, self.std.shape)
        if found != ((K, D), (K,), (D,), (D,)) or (self.image_shape and int(np.prod(self.image_shape)) != D):
            raise ValueError(f"shapes {found} do not fit {K} classes")

    def save(self, path: Path | str) -> None:
        """Write the network as safetensors; names and shapes go into its metadata."""
        # Serialised here and written plainly: safetensors' own file writer makes files that only their owner can read.
        write_whole(Path(path), self.pack())

    def pack(self) -> bytes:
        """The bytes of the file that :meth:`save` writes."""
        header = {
            "format": "monolayer-1",
            "loss": self.loss,
            "class_names": json.dumps(self.class_names),
            "image_shape": json.dumps(self.image_shape),
            "metadata": json.dumps(self.metadata, sort_keys=True),
            **({} if self.normalize == "none" else {"normalize": self.normalize}),
            "temperature": json.dumps(self.temperature),
        }
        tensors = {"weights": self.weights, "bias": self.bias, "mean": self.mean, "std": self.std}
        if self.transformer is not None:
            from monolayer.features.registry import describe_transformer

            header["transformer"] = describe_transformer(self.transformer)
            tensors |= {f"{PREFIX}{name}": tensor for name, tensor in self.transformer.get_tensors().items()}
        return pack_tensors(tensors, header)

    @classmethod
    def load(cls, path: Path | str) -> OneLayer:
        """The network that :meth:`save` wrote.

        Args:
            path: its file, or the folder of a run.

        Raises:
            BadData: if there is no such file, or it was not written by monolayer.
            BadInput: if its transformer needs an optional package that is not installed.
        """
        path = Path(path) / FILE if Path(path).is_dir() else Path(path)
        if not path.exists():
            raise BadData(f"{path}: there is no such run or network.")
        try:
            with safe_open(path, framework="numpy") as file:
                header = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in ("weights", "bias", "mean", "std")}
                names = [name for name in file.keys() if name.startswith(PREFIX)]  # noqa: SIM118 - not a dictionary
                learned = {name.removeprefix(PREFIX): file.get_tensor(name) for name in names}
            shape, transformer = json.loads(header["image_shape"]), None
            if "transformer" in header:
                from monolayer.features.registry import make_transformer  # here: it imports the feature transformers

                transformer = make_transformer(header["transformer"], learned)
            network = cls(
                **tensors,
                loss=str(get_loss(header["loss"])),
                class_names=tuple(json.loads(header["class_names"])),
                image_shape=tuple(shape) if shape else None,
                metadata=json.loads(header["metadata"]),
                normalize=header.get("normalize", "none"),
                temperature=json.loads(header.get("temperature", "1.0")),  # not in files of earlier versions
                transformer=transformer,
            )
            network.check_shapes()
            return network
        except MissingPackage:  # of its transformer
            raise
        except OSError as error:
            raise BadData(f"{path}: cannot be read as a network ({error.strerror or error}).") from None
        except (SafetensorError, KeyError, ValueError, BadInput) as error:
            raise BadData(f"{path}: is not a network saved by monolayer ({error}).") from None


def _check_finite(block: Array, start: int) -> None:
    """Raise BadInput for a feature that is not finite; if all are, the network has diverged and its scores are not."""
    wrong = np.argwhere(~np.isfinite(block))
    if len(wrong):
        row, feature = wrong[0]
        raise BadInput(f"X[{start + row}, {feature}] is {block[row, feature]}; accepted are finite numbers.")
