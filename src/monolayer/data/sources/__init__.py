"""Sources of CIFAR-10: copies on this machine and mirrors on the network."""
