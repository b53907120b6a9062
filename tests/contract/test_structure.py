"""The shape of the source: packages, layers, cycles, sizes; ``python tests/contract/test_structure.py`` prints it."""

import ast
import subprocess
import sys
import tomllib
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "monolayer"
MAX_UNITS = 30  # top-level files and packages
MAX_LAYERS = 16  # of the contract that import-linter checks
MAX_CODE_LINES = 19_300  # without blank lines, comments and docstrings
MAX_FUNCTION_LINES = 60  # from the first statement after the docstring


@cache
def build_graph():
    return grimp.build_graph("monolayer", exclude_type_checking_imports=True, cache_dir=None)


def list_units():
    """Top-level files and packages that import or are imported."""
    modules = {module.split(".")[1] for module in build_graph().modules if "." in module}
    return sorted(modules - {"__main__", "_version"})


def count_unit_imports():
    """Pairs of units of which one imports the other."""
    graph, pairs = build_graph(), set()
    for module in graph.modules - {"monolayer"}:
        for imported in graph.find_modules_directly_imported_by(module) - {"monolayer"}:
            pairs.add((module.split(".")[1], imported.split(".")[1]))
    return sum(a != b for a, b in pairs)


def count_layers():
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    return len(contract["contracts"][0]["layers"])


def find_cycle():
    """An import cycle between files, as a list of modules; empty if there is none."""
    graph = build_graph()
    sorter = TopologicalSorter({module: graph.find_modules_directly_imported_by(module) for module in graph.modules})
    try:
        sorter.prepare()
    except CycleError as error:
        return error.args[1]
    return []


def find_docstring(node):
    """The docstring of a module, class or function as a node, or None."""
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.body:
        first = node.body[0]
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
            return first
    return None


@cache
def list_sources():
    """Each file's path, lines and syntax tree."""
    texts = {path: path.read_text(encoding="utf-8") for path in sorted(PACKAGE.rglob("*.py"))}
    return [(path, text.splitlines(), ast.parse(text)) for path, text in texts.items()]


def count_code_lines():
    """Lines that are not blank, not a comment alone and not in a docstring."""
    n_lines = 0
    for _, lines, tree in list_sources():
        docstrings = [docstring for node in ast.walk(tree) if (docstring := find_docstring(node))]
        skipped = {number for node in docstrings for number in range(node.lineno, node.end_lineno + 1)}
        n_lines += sum(
            1
            for number, line in enumerate(lines, 1)
            if line.strip() and number not in skipped and not line.strip().startswith("#")
        )
    return n_lines


def list_functions():
    """(lines, where) of each function, longest first."""
    found = []
    for path, _, tree in list_sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                body = node.body[1:] if find_docstring(node) else node.body
                n_lines = body[-1].end_lineno - body[0].lineno + 1 if body else 0
                found.append((n_lines, f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"))
    return sorted(found, reverse=True)


def list_imported(statement):
    """The modules that a new process has imported after a statement."""
    code = f"import sys\n{statement}\nprint(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    return set(done.stdout.split())


def test_there_are_few_top_level_units():
    assert len(list_units()) <= MAX_UNITS


def test_there_are_few_layers():
    assert count_layers() <= MAX_LAYERS


def test_files_do_not_import_each_other_in_a_cycle():
    assert find_cycle() == []


def test_the_source_is_no_longer_than_it_has_to_be():
    assert count_code_lines() <= MAX_CODE_LINES


def test_functions_are_short():
    assert [where for n_lines, where in list_functions() if n_lines > MAX_FUNCTION_LINES] == []


@pytest.mark.parametrize("statement", ["import monolayer", "import monolayer.cli.main"])
def test_imports_load_neither_scipy_nor_matplotlib(statement):
    assert not list_imported(statement) & {"scipy", "matplotlib"}


if __name__ == "__main__":
    longest, where = list_functions()[0]
    print(f"{len(list_units())} top-level units (at most {MAX_UNITS}), {count_unit_imports()} imports between them")
    print(f"{count_layers()} layers (at most {MAX_LAYERS})")
    print(f"import cycle between files: {' -> '.join(find_cycle()) or 'none'}")
    print(f"{count_code_lines()} lines of code (at most {MAX_CODE_LINES})")
    print(f"longest function: {longest} lines, {where} (at most {MAX_FUNCTION_LINES})")
