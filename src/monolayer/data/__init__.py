"""Datasets, their splits and scaling, and how they are read and fetched."""
