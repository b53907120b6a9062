"""OneLayer: a trained network."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open

from monolayer.errors import BadData, BadInput
from monolayer.files import pack_tensors, write_whole
from monolayer.losses import get_loss

Array = npt.NDArray[Any]
BLOCK = 1024
# Values that are centred at a time, 3 MB in float64: on 3,072 features a third of the time that 1,024 rows take.
CENTRED = 400_000


@dataclass(frozen=True, eq=False)
class OneLayer:
    """A trained network: scores = W z + b with z = (x - mean) / std.

    Args:
        weights: W, (K, D), float32 or float64.
        bias: b, (K,), same dtype.
        mean, std: the scaler's, (D,), float64, in the unit of the features.
        loss: name of the loss that it was trained with, which says how scores become probabilities.
        class_names: K names.
        image_shape: (channels, height, width) where the features are an image, else None.
        metadata: words kept with the network, such as the recipe and the hash of its data.
    """

    weights: Array
    bias: Array
    mean: Array
    std: Array
    loss: str
    class_names: tuple[str, ...]
    image_shape: tuple[int, int, int] | None = None
    metadata: dict[str, str] = field(default_factory=dict)

    def compute_scores(self, X: Array) -> Array:
        """Scores (n, K), in the weights' dtype, of features X (n, D) in the unit of the training data.

        Raises:
            BadInput: if X does not have D columns.
        """
        X = np.asarray(X)
        if X.ndim != 2 or X.shape[1] != self.weights.shape[1]:
            raise BadInput(f"X has shape {X.shape}; accepted is (n, {self.weights.shape[1]}).")
        scores = np.empty((len(X), len(self.bias)), self.weights.dtype)
        size = max(1, min(BLOCK, CENTRED // X.shape[1]))
        for start in range(0, len(X), size):
            # Centred in float64 a block at a time: right for any features, and never a copy of the whole.
            z = ((X[start : start + size] - self.mean) / self.std).astype(self.weights.dtype)
            scores[start : start + size] = z @ self.weights.T + self.bias
        return scores

    def compute_probabilities(self, X: Array) -> Array:
        """Probabilities (n, K): softmax of the scores, or one sigmoid a class (which need not sum to one)."""
        return get_loss(self.loss).compute_probabilities(self.compute_scores(X))

    def predict(self, X: Array) -> Array:
        """Labels (n,), int64: the class of the highest score."""
        return np.asarray(self.compute_scores(X).argmax(axis=1))

    def rescale(self, mean: Array, std: Array) -> OneLayer:
        """The same scores of the same features, by weights of features that another mean and std (D,) standardise."""
        weights = self.weights * (std / self.std)
        bias = self.bias + self.weights @ ((mean - self.mean) / self.std)
        dtype = self.weights.dtype
        return replace(self, weights=weights.astype(dtype), bias=bias.astype(dtype), mean=mean, std=std)

    def check_shapes(self) -> None:
        """Raise ValueError if the parts do not fit together."""
        K, D = len(self.class_names), self.weights.shape[-1]
        found = (self.weights.shape, self.bias.shape, self.mean.shape, self.std.shape)
        if found != ((K, D), (K,), (D,), (D,)) or (self.image_shape and int(np.prod(self.image_shape)) != D):
            raise ValueError(f"shapes {found} do not fit {K} classes")

    def save(self, path: Path | str) -> None:
        """Write the network as safetensors; names and shapes go into its metadata."""
        header = {
            "format": "monolayer-1",
            "loss": self.loss,
            "class_names": json.dumps(self.class_names),
            "image_shape": json.dumps(self.image_shape),
            "metadata": json.dumps(self.metadata, sort_keys=True),
        }
        tensors = {"weights": self.weights, "bias": self.bias, "mean": self.mean, "std": self.std}
        # Serialised here and written plainly: safetensors' own file writer makes files that only their owner can read.
        write_whole(Path(path), pack_tensors(tensors, header))

    @classmethod
    def load(cls, path: Path | str) -> OneLayer:
        """The network that :meth:`save` wrote.

        Raises:
            BadData: if there is no such file, or it is not one of ours.
        """
        try:
            with safe_open(path, framework="numpy") as file:
                header = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in ("weights", "bias", "mean", "std")}
            shape = json.loads(header["image_shape"])
            network = cls(
                **tensors,
                loss=get_loss(header["loss"]).name,
                class_names=tuple(json.loads(header["class_names"])),
                image_shape=tuple(shape) if shape else None,
                metadata=json.loads(header["metadata"]),
            )
            network.check_shapes()
            return network
        except OSError as error:
            raise BadData(f"{path}: cannot be read as a network ({error.strerror or error}).") from None
        except (SafetensorError, KeyError, ValueError) as error:
            raise BadData(f"{path}: is not a network saved by monolayer ({error}).") from None
