from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monolayer.data.sources.content import Batch, Content
from monolayer.data.sources.formats import parquet
from monolayer.errors import BadData
from tests.data.cifar_files import assert_same, encode_png

TRAIN, TEST = "train-00000-of-00001.parquet", "test-00000-of-00001.parquet"


def make_rows(batch: Batch) -> dict[str, list[Any]]:
    images = [encode_png(row.reshape(3, 32, 32).transpose(1, 2, 0).copy()) for row in batch[0]]
    return {"img": [{"bytes": raw, "path": None} for raw in images], "label": batch[1].tolist()}


def write(path: Path, rows: dict[str, list[Any]]) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    pytest.importorskip("pyarrow.parquet").write_table(pyarrow.table(rows), path)


def write_both(folder: Path, content: Content) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / TRAIN, make_rows(content.train))
    write(folder / TEST, make_rows(content.test))
    return folder


def test_images_and_labels_are_read(small: Content, tmp_path: Path) -> None:
    assert_same(parquet.read(write_both(tmp_path / "plain_text", small)), small)


def test_a_label_out_of_range_is_named_with_its_row(small: Content, tmp_path: Path) -> None:
    folder = write_both(tmp_path / "plain_text", small)
    write(folder / TEST, make_rows(small.test) | {"label": [1, None, 2]})
    with pytest.raises(BadData, match=rf"{TEST}: row 1 has label None"):
        parquet.read(folder)


def test_an_image_of_another_size_is_named_with_its_row(small: Content, tmp_path: Path) -> None:
    folder = write_both(tmp_path / "plain_text", small)
    rows = make_rows(small.test)
    rows["img"][2] = {"bytes": encode_png(np.zeros((8, 8, 3), dtype=np.uint8)), "path": None}
    write(folder / TEST, rows)
    with pytest.raises(BadData, match=rf"{TEST}: row 2 is a RGB image of \(8, 8\)"):
        parquet.read(folder)


def test_other_columns_are_refused(small: Content, tmp_path: Path) -> None:
    folder = write_both(tmp_path / "plain_text", small)
    write(folder / TEST, {"picture": [1], "label": [1]})
    with pytest.raises(BadData, match=rf"{TEST}: not a Parquet file with columns img and label"):
        parquet.read(folder)


def test_a_file_cut_short_is_refused(small: Content, tmp_path: Path) -> None:
    folder = write_both(tmp_path / "plain_text", small)
    (folder / TEST).write_bytes((folder / TEST).read_bytes()[:1000])
    with pytest.raises(BadData, match=rf"{TEST}: not a Parquet file"):
        parquet.read(folder)


def test_without_pyarrow_the_way_out_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "is_available", lambda: False)
    with pytest.raises(BadData, match=r"needs pyarrow: pip install 'monolayer\[parquet\]'"):
        parquet.read(tmp_path)
