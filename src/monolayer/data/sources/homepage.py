"""The home page's binary archive (162 MB). Its server is often slow: users measure 60-80 kB/s."""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import replace
from pathlib import Path

from monolayer.data.sources import local
from monolayer.data.sources.content import Content
from monolayer.data.sources.download import Pace, Patience, SourceFailed, download
from monolayer.progress import Progress

NAME = "home page"
URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
MD5 = "c32a1d4ab5d03f1284b67883e8d87530"  # the home page prints no better sum; the decoded content's SHA-256 judges


def fetch(progress: Progress, patience: Patience) -> Content:
    """Download and decode the binary archive.

    Raises:
        TooSlow: if it would take longer than the patience allows.
        SourceFailed: if the server does not deliver, or delivers other bytes than the home page promises.
        BadData: if the archive cannot be decoded.
    """
    with tempfile.TemporaryDirectory(prefix="monolayer-") as folder:
        archive = Path(folder) / URL.rpartition("/")[2]
        download(URL, archive, Pace(NAME, patience, progress))
        _check_md5(archive)
        return replace(local.read(archive), source=f"home page ({URL})")


def _check_md5(archive: Path) -> None:
    with archive.open("rb") as file:
        found = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if found != MD5:
        raise SourceFailed(f"the archive is not the genuine one (MD5 {found}, expected {MD5})")
