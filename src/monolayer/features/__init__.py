"""What a layer may look at instead of pixels: transformers that learn from images alone, without labels.

Each is a scikit-learn transformer on rows of images as a :class:`monolayer.Dataset` has them, so it stands in front of
any classifier::

    pipeline = make_pipeline(PatchFeatures(400, image_shape=(3, 32, 32)), OneLayerClassifier())

To add one: write a class in a file of its own on :class:`monolayer.features.base.ImageTransformer`, and name it in
``KINDS`` of :mod:`monolayer.features.registry`, so that files can bring it back.
"""

from monolayer.features.hog import HOGFeatures, PixelFeatures
from monolayer.features.patches import PatchFeatures

__all__ = ["HOGFeatures", "PatchFeatures", "PixelFeatures"]
