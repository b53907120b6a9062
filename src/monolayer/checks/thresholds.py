"""Every threshold of every check, with its reason."""

from __future__ import annotations

# Whether a rate was too high, or vanished, is seen from this many evaluated epochs on.
LEAST_EPOCHS = 8
# Oscillation: in the second half of the epochs a quarter of the steps or more go up, and from one epoch to the next the
# cost changes by 1 % or more of all that was gained. On CIFAR-10 the rate .001 has 5 % and 0.2 %, .01 has 32 % and
# 2.5 %, .03 has 44 % and 49 % (cross-entropy, batch 100).
UPWARD = 0.25
OSCILLATION = 0.01
# A rate that has fallen to a hundredth moves the weights a hundredth as far.
VANISHED = 0.01
# Arrived: one per cent or less of what there was to gain is left.
ARRIVED = 0.01
# Still descending: the last quarter of the epochs brought more than this share of all that was gained.
DESCENT = 0.01
# Two means or deviations are the same statistic within this share of a deviation; float32 sums agree to 1e-6.
SAME_STATISTIC = 1e-4
# Classes: ten times as many rows of one as of another; fewer than ten rows of one.
IMBALANCE = 10.0
RARE_ROWS = 10

# An evaluation above training is called implausible below this probability (as log10). One in a million: over all the
# runs that somebody looks at in a year, chance alone should not raise it once.
IMPLAUSIBLE_LOG10_P = -6.0

# Weights that move more than this share of the rows between classes are told: a share of 50 % read as 52 % is within
# what a reliability diagram of some thousand rows cannot show; more shows.
SHIFTED_SHARE = 0.02
