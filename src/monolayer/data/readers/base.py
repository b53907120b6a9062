"""What all readers of data files share: the ``Reader`` interface, the options of reading, and the rows they return."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from monolayer._typing import Array
from monolayer.data.images import flatten_images
from monolayer.data.options import DataOptions
from monolayer.errors import BadData, BadInput
from monolayer.progress import SILENCE, Progress

# The usual names of the three parts of a dataset; the first is the name that monolayer uses.
PARTS = {"train": ("train", "training"), "val": ("val", "validation", "valid", "dev"), "test": ("test", "testing")}
MAX_ROWS, MAX_NUMBERS = 1024, 2**22  # of a block of rows: at most 32 MiB in float64
# Names of the options that apply to named columns or arrays, and to encoded images.
TABLE_OPTIONS = frozenset({"label", "split_by", "group_by"})
ARRAY_OPTIONS = TABLE_OPTIONS | {"features"}
IMAGE_OPTIONS = frozenset({"resize", "channels"})


def refuse_image(where: str, reason: str) -> None:
    """Stop at an image that cannot be read.

    Raises:
        BadData: always; the text names the file, or the file and its row.
    """
    raise BadData(f"{where}: cannot be read as an image ({reason}).")


@dataclass(frozen=True)
class ReadCallbacks:
    """Functions that are called while data is read.

    Args:
        progress: reports how much has been read.
        on_unreadable: called with the place of an image that cannot be read, and the reason; if it returns, the image
            is left out.
        on_files: called with the name of a part and the file of each of its rows, where each row is a file.
        on_columns: called with the names of the features, where they are columns.
    """

    progress: Progress = SILENCE
    on_unreadable: Callable[[str, str], None] = refuse_image
    on_files: Callable[[str, list[str]], None] = lambda part, files: None
    on_columns: Callable[[list[str]], None] = lambda names: None


@dataclass(frozen=True, eq=False)
class Raw:
    """The rows of one part of a dataset, as a reader found them.

    Args:
        X: (n, D); or images (n, height, width), (n, height, width, channels) or (n, channels, height, width).
        labels: (n,), of any type that can be sorted.
        class_names: names of the classes, where labels are positions in this list, or names from it.
        image_shape: (channels, height, width) where X is (n, D) and rows are images.
        parts: (n,) name of the part that each row belongs to, where a column assigns it.
        groups: (n,) values; rows with equal values are never divided between parts.
        pixel_max: the value of a fully lit pixel, if the format defines it.
        columns: names of the D features, where they are columns of a table.
    """

    X: Array
    labels: Array
    class_names: tuple[str, ...] | None = None
    image_shape: tuple[int, int, int] | None = None
    parts: Array | None = None
    groups: Array | None = None
    pixel_max: float | None = None
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class NetworkInput:
    """The features that a network takes, to which rows without labels are brought.

    Args:
        n_features: D.
        image_shape: (channels, height, width) where a row is an image, else None.
        ignored: names of the columns of a table that are not features.
        columns: names of the features, where the network was trained on columns of a table; else columns are counted.
        features: name of the array, tensor or column that holds the features; None: the usual names are tried.
        pixel_max: the value of a fully lit pixel in the training data; None: unknown.
    """

    n_features: int
    image_shape: tuple[int, int, int] | None = None
    ignored: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    features: str | None = None
    pixel_max: float | None = 255.0

    @property
    def block_size(self) -> int:
        """Number of rows of a block."""
        return max(1, min(MAX_ROWS, MAX_NUMBERS // self.n_features))

    def flatten(self, X: Array, path: Path) -> Array:
        """Rows (n, D) of rows, or of images in any order of axes that training accepts.

        Raises:
            BadData: if the dtype or the shape does not fit the network.
        """
        if X.dtype.kind not in "uif":
            raise BadData(f"{path}: holds {X.dtype.name}; accepted are integers and floats.")
        shape = self.image_shape
        if shape and X.ndim > 2 and X.shape[1:] != shape:
            rows, found = flatten_images(X, path)
            X = rows if found == shape else X
        elif X.shape[1:] == shape:
            X = X.reshape(len(X), -1)
        if X.ndim != 2 or X.shape[1] != self.n_features:
            accepted = " or ".join(_format_shape(one) for one in ((self.n_features,), shape) if one)
            raise BadData(f"{path}: has shape {_format_shape(X.shape[1:])}; the network takes {accepted}.")
        return X


def _format_shape(shape: tuple[int, ...]) -> str:
    return f"({', '.join(['n', *map(str, shape)])})"


class Reader(ABC):
    """A file format, or a kind of folder, that data is read from.

    What the rest of the package needs to know of a format is an attribute or a method of its reader. A module of this
    package lists its readers in ``READERS``, where :mod:`monolayer.data.readers.registry` finds them.

    Attributes:
        kind: the format, such as ``a Parquet file``.
        accepted: the format in a list of accepted ones, such as ``.parquet``.
        suffixes: of the files, in lower case; empty for a kind of folder.
        options: names of the fields of :class:`DataOptions` that apply to the format.
        holds_features: whether rows may be features, which can be read without labels.
        holds_images: whether rows may be encoded images.
        can_ignore_columns: whether columns that are not features can be named.
        priority: a folder that several readers accept is read by the one of the highest priority.
    """

    kind: str
    accepted: str
    suffixes: tuple[str, ...] = ()
    options: frozenset[str]
    holds_features = True
    holds_images = False
    can_ignore_columns = False
    priority = 0

    @property
    def can_name_features(self) -> bool:
        """Whether the array, tensor or column of features can be named."""
        return "features" in self.options

    def accepts(self, path: Path) -> bool:
        """Whether a path has this format."""
        return path.suffix.lower() in self.suffixes and not path.is_dir()

    @abstractmethod
    def read(self, path: Path, options: DataOptions, callbacks: ReadCallbacks) -> Mapping[str, Raw]:
        """The rows with their labels, by the name of their part.

        Raises:
            BadData: if the file is damaged, or something is missing; the text names it.
        """

    def find_files(self, folder: Path) -> list[Path]:
        """The files, or the folder itself, that hold the rows of a folder of this kind; empty if there are none."""
        del folder
        return []

    def iterate(self, path: Path, expected: NetworkInput) -> Iterator[Array]:
        """The features without labels, in blocks (at most ``expected.block_size``, D) where the file allows it.

        Raises:
            BadData: if the file is damaged, or holds other features than expected.
        """
        raise BadInput(f"{path}: is {self.kind}, which holds no features.")


def list_visible_files(folder: Path, suffix: str) -> list[Path]:
    """The files of a folder with this suffix, sorted; hidden ones are left out."""
    return sorted(file for file in folder.glob(f"*{suffix}") if file.is_file() and not file.name.startswith("."))


def find_part(name: str) -> str | None:
    """``train``, ``val`` or ``test`` for any of the usual names of these parts; None for another word."""
    return next((part for part, names in PARTS.items() if name.strip().lower() in names), None)


def list_names(columns: Sequence[str]) -> str:
    """The first 12 names, and how many more there are."""
    shown = ", ".join(columns[:12])
    return shown if len(columns) <= 12 else f"{shown} and {len(columns) - 12} more"
