"""What tests of every room share: the real CIFAR-10, fetched once and then cached."""

from __future__ import annotations

import os

import pytest

from monolayer.data.cifar10 import load_cifar10
from monolayer.data.dataset import Dataset
from monolayer.errors import MonolayerError


@pytest.fixture(scope="session")
def cifar10() -> Dataset:
    """The real CIFAR-10 from the user's cache, or fetched into it; tests that use it bear the marker ``cifar10``."""
    try:
        return load_cifar10()
    except MonolayerError as error:
        if os.environ.get("CI") == "true":
            pytest.fail(f"CI must have CIFAR-10: {error}")
        pytest.skip(f"CIFAR-10 is not to be had: {error}")
