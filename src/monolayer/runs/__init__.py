"""A run's folder: write, resume, compare."""
