"""The formats in which CIFAR-10 is handed around: one file a format, each turning bytes into ``Content``."""
