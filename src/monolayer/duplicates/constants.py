"""Constants of the search for duplicate images, each with its reason."""

# docs/leakage.md has the measurements. Lengths are in units of the training pixels' standard deviation, so that they
# mean the same for bytes and for floats.

# Whitened thumbnails: below this share of the whole variance a direction is camera noise and compression, which
# whitening would amplify. Any value from 3e-5 to 1e-3 finds as many of the planted pairs.
WHITENING_FLOOR = 3e-4
# Images that are aligned for each image, on average. With ten, 99 % of CIFAR-10's images stay among the candidates when
# they are shifted by 2 pixels, or by 1 both ways and zoomed by 10 %; 70 % when shifted by 2 both ways. Sixty find 4 %
# more flagged images, in six times the time.
CANDIDATES_PER_IMAGE = 10
# Training images from which the similarity threshold is learnt. For CIFAR-10 it is between 0.61 and 0.63 with 2,000 to
# 6,000 of them.
N_QUERIES = 3000
# An edge of about 3 grey levels in 255 for each pixel: the noise of a JPEG in CIFAR-10 (deviation 63 levels).
NOISE = 0.05
# Images must share edges of this share of their area before their correlation counts in full.
REGULARISER_SHARE = 1 / 8
# Early exits of the alignment, for speed: of 1,570 flagged pairs of CIFAR-10 the first loses 3, the second none.
COARSE_MIN = 0.6
REFINE_MIN = 0.3
# The false discovery rate that the learnt threshold allows, by the tail of the similarities of non-duplicates: 95 of
# 100 flagged images should be correct, and a tail that is fitted to some 800 values has an error of a fifth ...
MAX_FALSE_DISCOVERY_RATE = 0.04
# ... or, if there are hardly any duplicates, the number of false pairs in the whole search.
MAX_FALSE_PAIRS = 1.0
# The tail starts here: above the early exit at REFINE_MIN, around which values are depleted, with a margin for what the
# last steps of an alignment add.
TAIL_START = 0.35
# With fewer values than this a tail cannot be fitted; then CIFAR-10's threshold, rounded up, is used.
MIN_TAIL = 100
DEFAULT_SIMILARITY = 0.6
# Below this less than half of the edges agree: such images are never called duplicates, whatever the tail is.
LEAST_SIMILARITY = 0.5
# Images with a shorter side have too few pixels to distinguish photographs: digits of 8 x 8 look alike.
LEAST_SIDE = 16
