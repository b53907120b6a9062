"""Training: the epoch loop, the scheduler of banks, checkpoints, runs."""
