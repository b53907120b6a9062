"""Predictions of a trained network: their inputs, their computation, and the files that they are written to."""
