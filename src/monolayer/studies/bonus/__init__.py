"""The course's bonus assignment: its experiments, claims and report."""
