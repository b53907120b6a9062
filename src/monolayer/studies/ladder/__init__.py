"""The ladder: one layer on better and better features of the same images, and its report."""
