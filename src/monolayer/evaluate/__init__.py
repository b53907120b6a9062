"""Metrics, calibration and significance: arrays in, numbers out."""
