"""Rules of the house that no linter knows."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
CODE = sorted(path for folder in ("app", "workers", "migrations") for path in (ROOT / folder).rglob("*.py"))
# Whose public functions have a docstring each.
DOCUMENTED = [path for path in CODE if path.parts[-2] in ("services", "domain", "gateways")]


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def shown(path: Path, node: ast.AST | None = None) -> str:
    line = f":{node.lineno}" if isinstance(node, ast.stmt | ast.expr) else ""
    return f"{path.relative_to(ROOT)}{line}"


def imported(node: ast.AST) -> list[str]:
    """The modules and names that an import statement brings in, dotted."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [f"{node.module}.{alias.name}" for alias in node.names]
    return []


def reads_environment(node: ast.AST) -> bool:
    names = {"environ", "environb", "getenv", "getenvb"}
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return node.value.id == "os" and node.attr in names
    return any(name in {f"os.{of}" for of in names} for name in imported(node))


def test_there_is_code_to_judge() -> None:
    assert len(CODE) > 80
    assert len(DOCUMENTED) > 15


def test_the_environment_is_read_in_one_place() -> None:
    readers = {shown(path) for path in CODE for node in ast.walk(tree_of(path)) if reads_environment(node)}
    assert readers == {"app/settings.py"}


def test_nothing_is_imported_inside_a_function() -> None:
    hidden = [
        shown(path, node)
        for path in CODE
        for function in ast.walk(tree_of(path))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    assert hidden == []


def test_the_app_never_imports_the_workers_nor_the_tests() -> None:
    strangers = [
        shown(path, node)
        for path in CODE
        for node in ast.walk(tree_of(path))
        for name in imported(node)
        if name.partition(".")[0] in (("tests",) if "workers" in path.parts else ("workers", "tests"))
    ]
    assert strangers == []


def undocumented(path: Path) -> Iterator[str]:
    for node in tree_of(path).body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_") and not ast.get_docstring(node):
            yield f"{shown(path, node)} {node.name}"


@pytest.mark.parametrize("path", DOCUMENTED, ids=shown)
def test_public_functions_of_the_core_have_a_docstring(path: Path) -> None:
    assert list(undocumented(path)) == []


def test_every_module_says_what_it_is() -> None:
    silent = [shown(path) for path in CODE if path.read_text().strip() and not ast.get_docstring(tree_of(path))]
    assert silent == []


def test_no_module_is_called_by_a_word_that_says_nothing() -> None:
    empty_words = re.compile(r"(^|_)(utils?|helpers?|managers?|common|misc)(_|$)")
    assert [shown(path) for path in CODE if empty_words.search(path.stem)] == []


def test_what_a_statement_takes_of_many_under_a_lock_is_chosen_once() -> None:
    # In a join or an IN the planner may run the subquery again for each row, and it has other rows each time: those that it
    # had are changed. A CTE runs once.
    batch = re.compile(r"^(UPDATE|DELETE)\b.*\bLIMIT\s+\S+\s+FOR (NO KEY )?UPDATE\b", re.DOTALL)
    chosen_anew = [
        shown(path, node)
        for path in CODE
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and batch.search(node.value.strip())
    ]
    assert chosen_anew == []


def environment_names() -> list[str]:
    return [str(field.validation_alias or name).upper() for name, field in Settings.model_fields.items()]


def test_the_readme_lists_every_setting_and_no_other() -> None:
    _, heading, rest = (ROOT / "README.md").read_text().partition("## Configuration\n")
    assert heading, "README.md has no section called Configuration"
    section = re.split(r"^## ", rest, flags=re.MULTILINE)[0]
    listed = re.findall(r"^\| *`([A-Z][A-Z0-9_]*)` *\|", section, flags=re.MULTILINE)
    assert sorted(listed) == sorted(environment_names())
