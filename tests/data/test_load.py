from __future__ import annotations

from pathlib import Path

import pytest

from monolayer.data.load import load
from monolayer.data.sources.content import Content
from monolayer.errors import BadInput
from tests.data.cifar_files import make_binary, write_folder


def test_digits_by_name() -> None:
    assert load("digits").name == "digits"


def test_cifar10_by_name_from_a_path(small_is_expected: Content, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "folder", make_binary(small_is_expected))
    assert load("cifar10", path=folder).name == "cifar10"


@pytest.mark.parametrize("name", ["mnist", "", Path("CIFAR10.npz")])
def test_an_unknown_name_is_refused_with_those_accepted(name: str | Path) -> None:
    with pytest.raises(
        BadInput, match=r"is not a dataset(: there is no such file or folder)?; accepted are cifar10, digits"
    ):
        load(name)


def test_digits_are_read_from_no_path() -> None:
    with pytest.raises(BadInput, match="leave the path out"):
        load("digits", path=Path("x"))
