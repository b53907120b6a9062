"""The studies room: declared lists of experiments with their reports."""
