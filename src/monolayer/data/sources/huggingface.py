"""Hugging Face's Parquet files (144 MB), quick to come; needs pyarrow to be read."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from monolayer.data.sources.content import Content
from monolayer.data.sources.download import Pace, Patience, SourceFailed, download
from monolayer.data.sources.formats import parquet
from monolayer.progress import Progress

NAME = "Hugging Face"
URL = "https://huggingface.co/datasets/uoft-cs/cifar10/resolve/main/plain_text"
FILES = ("train-00000-of-00001.parquet", "test-00000-of-00001.parquet")


def fetch(progress: Progress, patience: Patience) -> Content:
    """Download and decode the training and the test file.

    Raises:
        TooSlow: if one would take longer than the patience allows.
        SourceFailed: if pyarrow is missing or the server does not deliver.
        BadData: if a file cannot be decoded.
    """
    if not parquet.is_available():
        raise SourceFailed("its Parquet files need pyarrow: pip install 'monolayer[parquet]'")
    with tempfile.TemporaryDirectory(prefix="monolayer-") as folder:
        for name in FILES:
            download(f"{URL}/{name}", Path(folder) / name, Pace(f"{NAME}: {name}", patience, progress))
        return replace(parquet.read(Path(folder)), source=f"Hugging Face ({URL})")
