"""How to train, as opposed to what, and what to keep with the result: options, each field with its help text."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

ENGINE, THREADS = "MONOLAYER_ENGINE", "MONOLAYER_THREADS"


@dataclass(frozen=True)
class RunOptions:
    """How to train, and what to keep with the result.

    Raises:
        BadInput: if a code in ``mute`` is not that of a finding.
    """

    evaluate_every: int = field(
        default=1, metadata={"help": "Evaluate after every so many epochs; 0: only after the last.", "min": 0}
    )
    train_every: int | None = field(
        default=None,
        metadata={
            "help": "Evaluate the training rows after every so many epochs; 0: only after the last.",
            "min": 0,
            "show_default": "four times",
        },
    )
    engine: str | None = field(
        default=None,
        metadata={
            "help": "native (compiled) or numpy; the results agree to rounding.",
            "show_default": "native where it is built, or MONOLAYER_ENGINE",
        },
    )
    threads: int | None = field(
        default=None,
        metadata={
            "help": "The largest number of threads; the bytes are the same for any number.",
            "min": 1,
            "show_default": "one a core, or OMP_NUM_THREADS",
        },
    )
    mute: tuple[str, ...] = field(
        default=(),
        metadata={"help": "Code of a finding to leave out, such as ML006; give the option once a code."},
    )
    licence: str = field(
        default="",
        metadata={
            "help": "The licence of the network, for its card, such as CC-BY-4.0.",
            "show_default": "not stated",
        },
    )

    def __post_init__(self) -> None:
        if self.mute:
            from monolayer.checks.registry import validate_codes

            validate_codes(self.mute)

    @contextmanager
    def use_engine(self) -> Iterator[None]:
        """Train with this engine and this number of threads while the block runs, also in processes that it starts.

        Raises:
            BadInput: if the engine is unknown or not built.
        """
        options = {ENGINE: self.engine, THREADS: self.threads}
        asked = {name: str(value) for name, value in options.items() if value is not None}
        before = {name: os.environ[name] for name in asked if name in os.environ}
        os.environ.update(asked)
        try:
            if self.engine is not None:
                from monolayer.engine.select import choose_engine

                choose_engine()
            yield
        finally:
            for name in asked:
                os.environ.pop(name, None)
            os.environ.update(before)
