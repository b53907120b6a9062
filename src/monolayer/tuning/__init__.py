"""Tuning: sweeps, searches and probes."""
