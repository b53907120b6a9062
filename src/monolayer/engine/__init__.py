"""The bank of networks, the engines that train it, and the exact solver."""
