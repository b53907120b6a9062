"""``monolayer export``: a network in another format."""

from pathlib import Path
from typing import Annotated

import typer

from monolayer.cli import options as opt
from monolayer.cli.console import print_json, print_line
from monolayer.exporters.formats import FORMATS
from monolayer.exporters.formats import export as export_network
from monolayer.files import validate_new_file
from monolayer.runs.folder import load_network

SUFFIXES = dict.fromkeys(made.suffix for made in FORMATS.values())


def export(
    network: Annotated[Path, typer.Argument(help="A run's folder, or a network.safetensors file.", metavar="RUN")],
    to: Annotated[str, typer.Option("--to", help=f"The format: {', '.join(FORMATS)}.")],
    out: Annotated[Path, typer.Option(help=f"A new file, ending in {', '.join(SUFFIXES)}.")],
    as_json: opt.AsJson = False,
) -> None:
    """Write a network in another format, with its scaling and its temperature.

    onnx takes raw features (pixels as uint8) and gives scores, probabilities and label. torch is the weight and bias of
    an nn.Linear, as safetensors. json is readable in ten lines of any language. safetensors is monolayer's own. The
    file is read back, and its predictions for random rows are compared with the network's, before it is put in place.

    Example: monolayer export runs/a --to onnx --out a.onnx
    """
    loaded = load_network(network)
    validate_new_file(out)
    exported = export_network(loaded, out, to)
    if as_json:
        print_json(exported.to_dict())
    else:
        print_line(f"{exported.path}: {exported.text}.")
        print_line(
            f"Read back, it gives the network's scores to within {exported.error:.1e} on {exported.n_probes} rows."
        )
