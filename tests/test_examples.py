"""The examples of the docstrings run, and give what they show."""

import ast
import doctest
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType

import pytest

from tests.conftest import REPOSITORY

SOURCE = REPOSITORY / "src"
MODULES = sorted(
    ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")
    for path in (SOURCE / "onar").rglob("*.py")
    if ">>> " in path.read_text(encoding="utf-8")
)


def examples(module: ModuleType) -> Iterator[doctest.DocTest]:
    """The examples of each docstring of a module, also of decorated functions, which `doctest` itself does not find."""
    source = str(module.__file__)
    with open(source, encoding="utf-8") as file:
        tree = ast.parse(file.read())
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ">>> " in (ast.get_docstring(node) or ""):
            name, line = getattr(node, "name", module.__name__), getattr(node, "lineno", 0)
            text = ast.get_docstring(node) or ""
            yield doctest.DocTestParser().get_doctest(text, vars(module).copy(), name, source, line)


@pytest.mark.parametrize("module", MODULES)
def test_examples_run(module: str) -> None:
    runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.ELLIPSIS)
    reports: list[str] = []
    for example in examples(import_module(module)):
        runner.run(example, out=reports.append)
    assert runner.tries > 0
    assert not runner.failures, "".join(reports)
