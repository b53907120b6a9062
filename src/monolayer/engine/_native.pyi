from typing import Any

import numpy as np
import numpy.typing as npt

def list_instruction_sets() -> list[str]: ...

class NativeBank:
    def __init__(
        self,
        *,
        weights: npt.NDArray[np.float32],
        bias: npt.NDArray[np.float32],
        mean: npt.NDArray[np.float64],
        std: npt.NDArray[np.float64],
        losses: npt.NDArray[np.uint8],
        fold_of: npt.NDArray[np.int32],
        shifts: npt.NDArray[np.float64] | None,
        slopes: npt.NDArray[np.float64] | None,
        batch_size: int,
        n_threads: int,
        instruction_set: str,
    ) -> None: ...
    def train(
        self,
        *,
        X: npt.NDArray[Any],
        order: npt.NDArray[np.int64],
        mirrored: npt.NDArray[np.uint8] | None,
        scales: npt.NDArray[np.float32] | None,
        width: int,
        y: npt.NDArray[np.int64] | npt.NDArray[np.uint8],
        starts: npt.NDArray[np.int64],
        steps: npt.NDArray[np.float32],
        shrink: npt.NDArray[np.float32],
        factors: npt.NDArray[np.float32] | None,
    ) -> None: ...
    def differentiate(
        self,
        *,
        X: npt.NDArray[Any],
        order: npt.NDArray[np.int64] | None,
        scales: npt.NDArray[np.float32] | None,
        y: npt.NDArray[np.int64] | npt.NDArray[np.uint8],
        losses: npt.NDArray[np.float32],
        correct: npt.NDArray[np.uint8],
        by_weights: npt.NDArray[np.float32],
        by_bias: npt.NDArray[np.float64],
    ) -> None: ...
    def measure(
        self,
        *,
        X: npt.NDArray[Any],
        order: npt.NDArray[np.int64] | None,
        scales: npt.NDArray[np.float32] | None,
        y: npt.NDArray[np.int64] | npt.NDArray[np.uint8],
        losses: npt.NDArray[np.float32],
        correct: npt.NDArray[np.uint8],
    ) -> None: ...
    def score(
        self,
        *,
        X: npt.NDArray[Any],
        order: npt.NDArray[np.int64] | None,
        scales: npt.NDArray[np.float32] | None,
        scores: npt.NDArray[np.float32],
    ) -> None: ...
    def read_weights(self, *, weights: npt.NDArray[np.float32], bias: npt.NDArray[np.float32]) -> None: ...
    @property
    def n_threads(self) -> int: ...
