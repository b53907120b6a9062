"""Every threshold of every check, with its reason."""

# A loss above that of knowing nothing can pass during the first noisy epochs; twice it does not come by accident.
DIVERGED_RATIO = 2.0
# An epoch that leaves a loss a thousand times that of knowing nothing threw the weights away, even if few training
# rows, which can all be told apart, come out right in the end: scores in the thousands do that, and nothing else.
WILD_RATIO = 1000.0

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

# Duplicates (audit/leakage.py; docs/leakage.md has the measurements). Lengths are in units of the training pixels'
# standard deviation, so that they mean the same for bytes and for floats.

# Whitened thumbnails: below this share of the whole variance a direction is camera noise and compression, and whitening
# would blow it up. From 3e-5 to 1e-3 as many planted pairs become candidates.
WHITENING_FLOOR = 3e-4
# Pictures aligned for each picture, on average. With ten, 99 % of CIFAR-10's images stay among the candidates when they
# are shifted by 2 pixels, or by 1 both ways and zoomed by 10 %; 70 % when shifted by 2 both ways. Sixty find 4 % more
# flagged images, in six times the time.
CANDIDATES_PER_PICTURE = 10
# Training pictures that stand for all when the threshold of similarity is learnt. CIFAR-10's came out between 0.61 and
# 0.63 with 2,000 to 6,000 of them.
N_PROBES = 3000
# An edge of about 3 grey levels in 255 a pixel: what a JPEG's noise looks like in CIFAR-10 (deviation 63 levels).
NOISE = 0.05
# Pictures must share edges worth this share of their area before their correlation counts in full.
EVIDENCE_SHARE = 1 / 8
# Early exits of the alignment, for speed: of 1,570 flagged pairs of CIFAR-10 the first loses 3, the second none.
COARSE_MIN = 0.6
REFINE_MIN = 0.3
# The threshold of similarity is learnt (audit/impostors.py). Of the pictures flagged by it at most this share may be
# flagged wrongly, as far as the tail of the training pictures' own similarities tells: 95 in 100 shall be right,
# and a tail read off some 800 values is a fifth wrong either way ...
FALSE_SHARE = 0.04
# ... or, where there are hardly any duplicates to take a share of, this many pairs in the whole search.
FALSE_PAIRS = 1.0
# The tail starts here: above the early exit at REFINE_MIN, around which values are depleted, with room for what the
# last steps of an alignment add.
TAIL_START = 0.35
# With fewer values than this a tail is guesswork; then CIFAR-10's threshold, rounded up, stands in.
LEAST_TAIL = 100
DEFAULT_SIMILARITY = 0.6
# Below it less than half of the edges agree: no two such pictures are called the same, whatever the tail says.
LEAST_SIMILARITY = 0.5
# Pictures with a shorter side hold too little to tell one photograph from another's: digits of 8 x 8 look alike.
LEAST_SIDE = 16

# An evaluation above training is called implausible below this probability (as log10). One in a million: over all the
# runs that somebody looks at in a year, chance alone should not raise it once.
IMPLAUSIBLE_LOG10_P = -6.0

# Weights that move more than this share of the rows between classes are told: a share of 50 % read as 52 % is within
# what a reliability diagram of some thousand rows cannot show; more shows.
SHIFTED_SHARE = 0.02
