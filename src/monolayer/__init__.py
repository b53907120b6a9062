"""monolayer: train, tune and explain one-layer image classifiers, fast, and say honestly what their numbers mean.

The public names are listed in ``__init__.pyi``. Each is imported when it is first used, so that ``import monolayer``
and the command line load only what they need.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
