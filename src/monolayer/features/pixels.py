"""Pixels as features: an image as it is."""

import numpy as np

from monolayer._typing import Array
from monolayer.features.base import ImageTransformer, Shape


class PixelFeatures(ImageTransformer):
    """The pixels of an image, 0 to 255, channel-major.

    Args:
        image_shape: (channels, height, width); None: square, grey or red, green and blue.
        pixel_max: the value of a fully lit pixel.
    """

    kind = "pixels"
    usage = "pixels"

    def __init__(self, image_shape: Shape | None = None, *, pixel_max: float = 255.0) -> None:
        self.image_shape = image_shape
        self.pixel_max = pixel_max

    def _compute(self, images: Array) -> Array:
        return np.asarray(images.reshape(len(images), -1), np.float32)
