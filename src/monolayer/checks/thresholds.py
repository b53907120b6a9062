"""Every threshold of every check, with its reason."""

# Two thresholds are shared with the code that acts on them, and are defined there with their reasons.
from monolayer.duplicates.constants import LEAST_SIDE as LEAST_SIDE
from monolayer.training.run import DIVERGED_RATIO as DIVERGED_RATIO

# A learning rate is judged too high, or vanished, from this many evaluated epochs on.
LEAST_EPOCHS = 8
# Oscillation: in the second half of the epochs a quarter of the steps or more go up, and from one epoch to the next the
# cost changes by 1 % or more of its total decrease. On CIFAR-10 the learning rate .001 has 5 % and 0.2 %, .01 has 32 %
# and 2.5 %, .03 has 44 % and 49 % (cross-entropy, batch 100).
UPWARD = 0.25
OSCILLATION = 0.01
# A learning rate that has fallen to a hundredth moves the weights a hundredth as far.
VANISHED = 0.01
# Converged: one per cent or less of the possible decrease of the cost remains.
REMAINING = 0.01
# Still falling: the last quarter of the epochs brought more than this share of the total decrease.
DESCENT = 0.01
# Two means or deviations are the same statistic within this share of a deviation; float32 sums agree to 1e-6.
SAME_STATISTIC = 1e-4
# Classes: ten times as many rows of one as of another; fewer than ten rows of one.
IMBALANCE = 10.0
RARE_ROWS = 10

# An evaluation above training is called implausible below this probability (as log10). One in a million: over all the
# runs that one person looks at in a year, chance alone should not cause one false alarm.
IMPLAUSIBLE_LOG10_P = -6.0

# Weights that move more than this share of the rows between classes are reported. A reliability diagram of some
# thousand rows cannot show that 50 % is read as 52 %; it shows larger shifts.
SHIFTED_SHARE = 0.02
