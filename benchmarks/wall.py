"""Wall time of a command, counted from the outside: to its end, or to a line that it writes. Prints one JSON object.

python -m benchmarks.wall --until "Epoch 1/1" COMMAND ...     to the first line on stderr that has this in it
python -m benchmarks.wall --out COMMAND ...                   with --out and a folder that is deleted afterwards
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def main() -> None:
    options = _read_options()
    with tempfile.TemporaryDirectory() as folder:
        out = ["--out", str(Path(folder) / "out")] if options.out else []
        print(json.dumps({"seconds": time_command([*options.command, *out], options.until)}))


def time_command(command: list[str], until: str | None) -> float:
    """Seconds from just before the process is made to that line, or to its end; it may end in its own time.

    Raises:
        SystemExit: if the command fails, or never writes the line.
    """
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        seconds, last = None, ""
        for line in process.stderr or ():
            if until is not None and seconds is None and until in line:
                seconds = time.perf_counter() - start
            last = line.strip() or last
    if process.returncode:
        sys.exit(f"{command[0]} ended with {process.returncode} and printed: {last}")
    if until is None:
        return time.perf_counter() - start
    if seconds is None:
        sys.exit(f"{command[0]} wrote no line with {until!r}; its last was: {last}")
    return seconds


def _read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--until", metavar="TEXT")
    parser.add_argument("--out", action="store_true")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    return parser.parse_args()


if __name__ == "__main__":
    main()
