"""monolayer: train, tune and explain one-layer image classifiers, fast, and say honestly what their numbers mean."""

__version__ = "0.1.0"
