import importlib
import pkgutil

import pytest

import monolayer


def test_the_public_list_is_what_is_importable():
    for name in monolayer.__all__:
        value = getattr(monolayer, name)
        assert name == "__version__" or value.__name__.rpartition(".")[2] == name
    assert sorted(monolayer.__all__) == sorted(dir(monolayer))
    with pytest.raises(AttributeError, match="attribute nothing"):
        _ = monolayer.nothing


def test_every_module_imports_and_says_what_it_is():
    for module in pkgutil.walk_packages(monolayer.__path__, "monolayer."):
        if module.name != "monolayer.__main__":
            assert importlib.import_module(module.name).__doc__, module.name


def test_no_module_bears_a_public_name():
    """Python would put the module where the function belongs."""
    modules = {module.name.rpartition(".")[2] for module in pkgutil.iter_modules(monolayer.__path__)}
    assert modules & set(monolayer.__all__) == {"features", "figures", "trackers"}
