"""The textbook loop with every array in float32."""

import numpy as np

from benchmarks.peers.task import run_peer
from benchmarks.peers.textbook_float64 import train

if __name__ == "__main__":
    run_peer(train, np.float32)
