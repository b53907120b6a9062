"""Recipes: losses, schedules, shuffles and grids."""
