"""Write content in each format in which CIFAR-10 is handed around."""

from __future__ import annotations

import io
import json
import pickle
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image

from monolayer.data.sources.content import TEST_BATCH, TRAIN_BATCHES, Batch, Content


def split_batches(content: Content) -> dict[str, Batch]:
    pixels, labels = np.split(content.train[0], 5), np.split(content.train[1], 5)
    batches = dict(zip(TRAIN_BATCHES, zip(pixels, labels, strict=True), strict=True))
    return {**batches, TEST_BATCH: content.test}


def encode_binary(batch: Batch) -> bytes:
    return np.column_stack([batch[1].astype(np.uint8), batch[0]]).tobytes()


def make_binary(content: Content) -> dict[str, bytes]:
    return {f"{name}.bin": encode_binary(batch) for name, batch in split_batches(content).items()}


def make_pickled(content: Content, protocol: int = 2) -> dict[str, bytes]:
    return {
        name: pickle.dumps({b"data": pixels, b"labels": labels.tolist()}, protocol)
        for name, (pixels, labels) in split_batches(content).items()
    }


def encode_png(images: np.ndarray) -> bytes:
    """Images (rows, columns, 3) as a PNG."""
    file = io.BytesIO()
    Image.fromarray(images).save(file, "PNG")
    return file.getvalue()


def make_png(content: Content) -> dict[str, bytes]:
    members = {
        f"{name}.png": encode_png(pixels.reshape(-1, 3, 1024).transpose(0, 2, 1).copy())
        for name, (pixels, _) in split_batches(content).items()
    }
    members["train_lables.json"] = json.dumps(content.train[1].tolist()).encode()
    members["test_lables.json"] = json.dumps(content.test[1].tolist()).encode()
    return members


def write_folder(folder: Path, members: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, raw in members.items():
        (folder / name).write_bytes(raw)
    return folder


def write_tar(path: Path, members: dict[str, bytes], top: str = "package") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as archive:
        for name, raw in members.items():
            info = tarfile.TarInfo(f"{top}/{name}")
            info.size = len(raw)
            archive.addfile(info, io.BytesIO(raw))
    return path


def assert_same(found: Content, expected: Content) -> None:
    for mine, theirs in zip((*found.train, *found.test), (*expected.train, *expected.test), strict=True):
        np.testing.assert_array_equal(mine, theirs)
        assert mine.dtype == theirs.dtype
