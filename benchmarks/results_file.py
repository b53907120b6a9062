"""bench.json: the summary for readers, and the samples it was made from, so that it can be made again."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from benchmarks.measuring import Measured, Sample
from benchmarks.roofline_points import Roofline
from benchmarks.summary import Session, Summary


def write_results(path: Path, summary: Summary, measured: Measured) -> None:
    verdicts = [{**asdict(verdict), "is_missed": verdict.is_missed} for verdict in summary.verdicts]
    content = {**asdict(summary), "verdicts": verdicts, "samples": asdict(measured)["samples"]}
    path.write_text(json.dumps(content, indent=2) + "\n")


def write_roofline(path: Path, roofline: Roofline) -> None:
    path.write_text(json.dumps(asdict(roofline), indent=2) + "\n")


def read_roofline(path: Path) -> Roofline | None:
    """None where the last session could not measure it."""
    return Roofline.from_dict(json.loads(path.read_text())) if path.exists() else None


def read_results(path: Path) -> tuple[Session, Measured]:
    content = json.loads(path.read_text())
    samples = {name: [Sample(**sample) for sample in found] for name, found in content["samples"].items()}
    session = Session(content["epochs"], content["rounds"], tuple(content["machine"]))
    return session, Measured(samples, content["failures"])
