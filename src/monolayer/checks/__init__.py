"""Checks of runs, sweeps and datasets: each reads arrays or results and returns findings."""
