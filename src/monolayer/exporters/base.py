"""Format: how a network is packed into a file, and how scores are computed from that file."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from monolayer._typing import Array
from monolayer.errors import BadInput
from monolayer.exporters.folding import TOLERANCE, Folded, fold, is_foldable
from monolayer.network import OneLayer
from monolayer.recipe.losses import get_loss


@dataclass(frozen=True)
class Format:
    """A format that a network can be exported to.

    Args:
        name: of the format, as ``monolayer export --to`` takes it.
        suffix: of its files.
        pack: the bytes of a network's file.
        compute_scores: (file, X) -> scores / temperature, (n, K), of features X (n, D), read from the file alone.
        describe: one sentence on what is in the file of a network, and how it is used.
        is_complete: whether it also holds what is done to a row before the scaling: division by its length, and the
            transformer that makes features of images.
    """

    name: str
    suffix: str
    pack: Callable[[OneLayer], bytes]
    compute_scores: Callable[[Path, Array], Array]
    describe: Callable[[OneLayer], str]
    is_complete: bool = False


def fold_or_refuse(network: OneLayer, dtype: str = "float32") -> Folded:
    """The network with its scaling folded into its weights, for a format that cannot hold the scaling.

    Raises:
        BadInput: if folding would lose more than a hundred-thousandth of the scores.
    """
    if not is_foldable(network, dtype):
        raise BadInput(
            f"The scaling cannot be folded into {dtype} weights, since features have means so large beside their "
            f"deviations that scores would lose more than {TOLERANCE:g}; accepted is --to onnx or safetensors, which "
            "keep the scaling apart."
        )
    return fold(network, dtype)


def describe_reading(network: OneLayer) -> str:
    """How its scores become probabilities, in a formula."""
    loss = get_loss(network.loss)
    return loss.readings[0].formula if loss.readings else f"none: the loss {loss} defines no probabilities"
