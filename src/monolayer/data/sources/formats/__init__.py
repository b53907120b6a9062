"""The formats of CIFAR-10's own archives: each file turns the bytes of an archive's members into ``Content``."""
