"""One word, one meaning."""

import ast
from collections import defaultdict
from pathlib import Path

import onar

SOURCE = Path(onar.__file__).parent


def declared_names(statement: ast.stmt) -> list[str]:
    """Names of the classes and types that a statement of a module declares; constants are written in capitals."""
    match statement:
        case ast.ClassDef(name=name):
            names = [name]
        case ast.AnnAssign(target=ast.Name(id=name)):
            names = [name]
        case ast.Assign(targets=targets):
            names = [target.id for target in targets if isinstance(target, ast.Name)]
        case _:
            names = []
    return [name for name in names if name[0].isupper() and not name.isupper()]


def test_no_class_or_type_has_the_name_of_another() -> None:
    places = defaultdict(list)
    for path in SOURCE.rglob("*.py"):
        for statement in ast.parse(path.read_text(encoding="utf-8")).body:
            for name in declared_names(statement):
                places[name].append(str(path.relative_to(SOURCE)))
    assert {name: where for name, where in places.items() if len(where) > 1} == {}
