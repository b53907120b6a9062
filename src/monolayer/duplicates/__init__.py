"""The search for duplicate images, within a dataset or between training and test rows."""
