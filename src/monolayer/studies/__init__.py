"""Studies: declared lists of experiments, their claims and reports."""
