from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monolayer.data.sources.content import Content
from monolayer.data.sources.formats import npz
from monolayer.errors import BadData
from tests.data.cifar_files import assert_same


def write(path: Path, content: Content, **replaced: Any) -> Path:
    arrays = {"X_train": content.train[0], "y_train": content.train[1]}
    arrays |= {"X_test": content.test[0], "y_test": content.test[1]}
    np.savez(path, **(arrays | replaced))
    return path


def channel_last(rows: np.ndarray) -> np.ndarray:
    return rows.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)


def test_rows_are_read(small: Content, tmp_path: Path) -> None:
    assert_same(npz.read(write(tmp_path / "a.npz", small)), small)


def test_keras_names_and_shapes_are_read(small: Content, tmp_path: Path) -> None:
    np.savez_compressed(
        tmp_path / "a.npz",
        x_train=channel_last(small.train[0]),
        y_train=small.train[1][:, None].astype(np.uint8),
        x_test=channel_last(small.test[0]),
        y_test=small.test[1][:, None].astype(np.uint8),
    )
    assert_same(npz.read(tmp_path / "a.npz"), small)


def test_channel_major_images_are_read(small: Content, tmp_path: Path) -> None:
    path = write(tmp_path / "a.npz", small, X_train=small.train[0].reshape(-1, 3, 32, 32))
    assert_same(npz.read(path), small)


def test_missing_arrays_are_named(small: Content, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", X_train=small.train[0], y_train=small.train[1])
    with pytest.raises(BadData, match=r"a\.npz: misses X_test, y_test; needed are X_train, y_train, X_test, y_test"):
        npz.read(tmp_path / "a.npz")


@pytest.mark.parametrize(
    ("replaced", "reason"),
    [
        ({"X_test": np.zeros((3, 3072))}, r"test: pixels are float64"),
        ({"X_test": np.zeros((3, 100), dtype=np.uint8)}, r"test: pixels are uint8 \(3, 100\)"),
        ({"X_test": np.zeros((0, 32, 32, 3), dtype=np.uint8)}, r"test: pixels are uint8 \(0, "),
        ({"X_test": np.uint8(3)}, r"test: pixels are uint8 \(\)"),
        ({"y_test": np.array([1, 2, 10])}, "test: row 2 has label 10"),
        ({"y_test": np.array([1, 2, -1])}, "test: row 2 has label -1"),
        ({"y_test": np.array([1.0, 2.0, 3.0])}, "test: labels are float64"),
        ({"y_test": np.eye(3, dtype=np.int64)}, "test: labels are int64"),
        ({"y_test": np.array([{}, {}, {}], dtype=object)}, "not an .npz file that can be read"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(
    small: Content, tmp_path: Path, replaced: dict[str, np.ndarray], reason: str
) -> None:
    with pytest.raises(BadData, match=reason):
        npz.read(write(tmp_path / "a.npz", small, **replaced))


def test_a_file_cut_short_is_refused(small: Content, tmp_path: Path) -> None:
    path = write(tmp_path / "a.npz", small)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(BadData, match=r"a\.npz: not an \.npz file that can be read"):
        npz.read(path)
