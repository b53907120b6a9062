"""The search for images that stand in both the training and the test rows."""
