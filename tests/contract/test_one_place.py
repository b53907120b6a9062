"""A loss, a schedule and a shuffle are one place each: no other file of the library asks for one by its name."""

import ast
from pathlib import Path

import pytest

import monolayer
from monolayer.recipe.losses import LOSSES
from monolayer.recipe.schedules import SCHEDULES

SOURCE = Path(monolayer.__file__).parent
OWN = {"recipe/losses.py", "recipe/schedules.py", "recipe/shuffle.py"}
# "full" and "block" are the names of the shuffles.
NAMES = {*LOSSES, *SCHEDULES, "full", "block"}
# The experiments of the bonus study have keys, two of which are called as the losses that they compare.
KEYS_OF_EXPERIMENTS = "studies/bonus/"


def is_name(node):
    """Whether this is the constant of a name, also with hyphens or with parameters after it."""
    if not (isinstance(node, ast.Constant) and isinstance(node.value, str)):
        return False
    return node.value.replace("-", "_").split(":")[0] in NAMES


def has_name(node):
    return any(map(is_name, ast.walk(node)))


def find_questions(tree):
    """The nodes that compare with the name of a loss or a schedule, or choose by it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            found = any(map(has_name, [node.left, *node.comparators]))
        elif isinstance(node, ast.Dict):
            found = any(key is not None and is_name(key) for key in node.keys)
        elif isinstance(node, ast.Subscript):
            found = is_name(node.slice)
        elif isinstance(node, ast.match_case):
            found = has_name(node.pattern)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            found = node.func.attr in ("startswith", "endswith", "get", "pop") and any(map(has_name, node.args))
        else:
            found = False
        if found:
            yield node


def test_no_other_file_asks_for_a_loss_or_a_schedule_by_name():
    found = []
    for path in sorted(SOURCE.rglob("*.py")):
        name = path.relative_to(SOURCE).as_posix()
        if name in OWN:
            continue
        for node in find_questions(ast.parse(path.read_text(encoding="utf-8"))):
            if name.startswith(KEYS_OF_EXPERIMENTS) and not isinstance(node, ast.Compare | ast.match_case):
                continue
            found.append(f"{name}:{getattr(node, 'lineno', node)}: {ast.unparse(node)[:80]}")
    assert found == []


@pytest.mark.parametrize(
    "text",
    [
        'recipe.loss == "cross_entropy"',
        'loss not in ("multiple_bce", "hinge")',
        '{"cross-entropy": 1}[name]',
        'names.get("multiple_bce")',
        'schedule.startswith("step:")',
        'recipe.shuffle != "full"',
        'match loss:\n    case "cross_entropy": pass',
    ],
)
def test_questions_are_found(text):
    assert list(find_questions(ast.parse(text)))


def test_recipes_may_be_made_with_a_loss():
    assert not list(find_questions(ast.parse('Recipe(loss="cross_entropy", schedule="cosine")')))
