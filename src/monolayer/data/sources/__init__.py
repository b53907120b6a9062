"""Where CIFAR-10 is to be had: one file a source, and the formats they ship in one folder beside them."""
