"""Checks: each reads arrays, a run or a sweep and returns findings."""
