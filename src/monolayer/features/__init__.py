"""Features of images in place of their pixels: transformers that learn from images without labels.

Each is a scikit-learn transformer of rows of images as in a :class:`monolayer.Dataset`, for use before any classifier::

    pipeline = make_pipeline(PatchFeatures(400, image_shape=(3, 32, 32)), OneLayerClassifier())

A new kind is a subclass of :class:`monolayer.features.base.ImageTransformer` in a file of its own in this package;
:mod:`monolayer.features.registry` finds it there.
"""

import lazy_loader

# Imported when first used: they need scikit-learn, which takes seconds and which training on pixels does not need.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
