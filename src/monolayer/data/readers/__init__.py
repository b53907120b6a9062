"""Readers of data files: one file per format, which :mod:`monolayer.data.readers.registry` finds."""
