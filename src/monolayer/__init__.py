"""monolayer: train, tune and explain one-layer image classifiers, fast, and say honestly what their numbers mean."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from monolayer import features as features
    from monolayer import figures as figures
    from monolayer import trackers as trackers
    from monolayer.audit.finding import Finding
    from monolayer.audit.leakage import Duplicate, find_duplicates
    from monolayer.axes import Range
    from monolayer.certificate import Certificate, certify
    from monolayer.data.dataset import Dataset
    from monolayer.data.extracted import Extracted, extract_features
    from monolayer.data.load import load
    from monolayer.data.splits import Splits
    from monolayer.diagnosing import diagnose_run, diagnose_sweep
    from monolayer.epochs import TrainOptions
    from monolayer.errors import BadData, BadInput, DataUnavailable, MonolayerError
    from monolayer.evaluate.metrics import Metrics
    from monolayer.export.formats import export_json, export_onnx, export_torch
    from monolayer.history import EpochRow
    from monolayer.network import OneLayer
    from monolayer.probing import Probe, ProbeOptions, probe
    from monolayer.recipe import Recipe
    from monolayer.searching import SearchOptions, search
    from monolayer.sweeping import Sweep, SweepOptions, sweep
    from monolayer.training import Run, evaluate_test, train

__version__ = "0.1.0"

# Where each public name lives. Names are imported when they are first asked for: `import monolayer` does no work, and
# the command line starts without loading what it does not use. No module may bear a public name (training.train, not
# train.train): Python would put the module where the function belongs.
_HOMES = {
    "BadData": "errors",
    "BadInput": "errors",
    "Certificate": "certificate",
    "DataUnavailable": "errors",
    "Dataset": "data.dataset",
    "Duplicate": "audit.leakage",
    "EpochRow": "history",
    "Extracted": "data.extracted",
    "Finding": "audit.finding",
    "Metrics": "evaluate.metrics",
    "MonolayerError": "errors",
    "OneLayer": "network",
    "Probe": "probing",
    "ProbeOptions": "probing",
    "Range": "axes",
    "Recipe": "recipe",
    "Run": "training",
    "SearchOptions": "searching",
    "Splits": "data.splits",
    "Sweep": "sweeping",
    "SweepOptions": "sweeping",
    "TrainOptions": "epochs",
    "certify": "certificate",
    "diagnose_run": "diagnosing",
    "diagnose_sweep": "diagnosing",
    "evaluate_test": "training",
    "export_json": "export.formats",
    "export_onnx": "export.formats",
    "export_torch": "export.formats",
    "extract_features": "data.extracted",
    "find_duplicates": "audit.leakage",
    "load": "data.load",
    "probe": "probing",
    "search": "searching",
    "sweep": "sweeping",
    "train": "training",
}
# Rooms with public names of their own, such as ml.figures.Curves.
_ROOMS = ("features", "figures", "trackers")

__all__ = [
    "BadData",
    "BadInput",
    "Certificate",
    "DataUnavailable",
    "Dataset",
    "Duplicate",
    "EpochRow",
    "Extracted",
    "Finding",
    "Metrics",
    "MonolayerError",
    "OneLayer",
    "Probe",
    "ProbeOptions",
    "Range",
    "Recipe",
    "Run",
    "SearchOptions",
    "Splits",
    "Sweep",
    "SweepOptions",
    "TrainOptions",
    "certify",
    "diagnose_run",
    "diagnose_sweep",
    "evaluate_test",
    "export_json",
    "export_onnx",
    "export_torch",
    "extract_features",
    "find_duplicates",
    "load",
    "probe",
    "search",
    "sweep",
    "train",
]


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return import_module(f"monolayer.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'monolayer' has no attribute {name!r}")
    return getattr(import_module(f"monolayer.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
