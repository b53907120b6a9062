"""A ladder of feature kinds: declared steps and their report."""
