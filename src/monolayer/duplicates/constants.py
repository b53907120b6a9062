"""Constants of the search for duplicate images, each with its reason."""

from __future__ import annotations

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
