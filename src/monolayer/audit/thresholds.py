"""Every threshold of every check, with its reason."""

# A loss above that of knowing nothing can pass during the first noisy epochs; twice it does not come by accident.
DIVERGED_RATIO = 2.0
