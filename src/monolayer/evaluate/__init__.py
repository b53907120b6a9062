"""The evaluation room: arrays in, numbers out."""
