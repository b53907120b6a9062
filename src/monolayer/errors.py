"""The exceptions of this library, as a tree.

MonolayerError                 anything this library raises on purpose
├── BadInput  (ValueError)     what the caller gave is wrong; the message is one sentence (exit code 2)
│   ├── BadData                a file or array has the wrong content
│   └── MissingPackage         an optional package is needed that is not installed
└── DataUnavailable            no source of a dataset answered
"""


class MonolayerError(Exception):
    """Anything this library raises on purpose; its text is meant for the user."""


class BadInput(MonolayerError, ValueError):
    """What the caller gave is wrong; the text names it and says what is accepted."""


class BadData(BadInput):
    """A file or an array has the wrong content; the text names the file or row."""


class MissingPackage(BadInput):
    """An optional package is needed that is not installed; the text names the extra that installs it."""


class DataUnavailable(MonolayerError):
    """No source of a dataset answered; the text lists each source tried and why it failed."""
