"""One word, one meaning; and the field's terms instead of this project's own."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator

import pytest

from tests.conftest import REPOSITORY

SOURCE = REPOSITORY / "src" / "onar"

BANNED = {
    r"(?<!, )\bso (many|much)\b(?! (that|as)\b)": "N, the given number",
    r"(?<![a-z.])(tell|tells|telling|told)(?![a-z])": "report, warn, infer, distinguish, raise",
    r"\b(nobody|somebody|anybody|everybody)\b": "the passive, or the user",
    r"\bwho(ever|soever)\b": "the user, the caller",
    r"\bwhat(ever|soever)\b": "any; or name it",
    r"\b(for|what|because|as) people\b|\bwhat a person\b|\bas a person (does|do|would|keeps|has)\b": "the user",
    r"(\"\"\"|/\*\* )what (?!(happen|if)s?\b)": "a noun: 'What a network is shown' -> 'Context'",
    r"\bin place of\b": "instead of",
    r"(?-i:\b_?(MOST|LONGEST|LARGEST|GREATEST)_(?=[A-Z]))": "MAX_",
    r"(?-i:\b_?(LEAST|SMALLEST|FEWEST|SHORTEST)_(?=[A-Z]))": "MIN_",
    r"\blearns? nothing\b": "baseline",
    r"\bin vain\b|\bwithout a word\b": "silently, no answer, timed out",
    r"\bfor want of\b": "because ... is missing, out of memory",
    r"\bfor ever\b": "forever",
    r"\bpassed over\b": "skipped",
    r"\banew\b": "again",
}
"""Pattern, ignoring case -> what to write instead."""

TEXTS = {
    "src/onar": "*.py", "tests": "*.py", "tools": "*.py", "benchmarks": "*.py",
    "src/onar/assets/recipes": "*.toml", "docs": "*.md", "web/src": "*.ts*", ".": "*.md",
}  # fmt: skip
"""Folder -> its files; those of the repository itself without subfolders."""

ELSEWHERE = re.compile(r"(^|/)(assets/(?!recipes/|model_script)|tr/)|\.tr\.md$|turkish\.ts$|^tests/test_words\.py$")
"""Data, texts in Turkish, and this file."""

PENDING: tuple[str, ...] = ()
"""Folders and files whose texts are not revised yet."""


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


def texts() -> Iterator[tuple[str, str]]:
    """Path and content of every text in English; of the changes, those that are not released."""
    for folder, files in TEXTS.items():
        for path in (REPOSITORY / folder).glob(files) if folder == "." else (REPOSITORY / folder).rglob(files):
            name = path.relative_to(REPOSITORY).as_posix()
            if not ELSEWHERE.search(name) and not name.startswith(PENDING):
                text = path.read_text(encoding="utf-8")
                yield name, re.split(r"^## \d", text, maxsplit=1, flags=re.M)[0] if name == "CHANGELOG.md" else text


def findings() -> list[str]:
    """A line for each banned phrase, as `path:line: phrase -> what to write`."""
    patterns = [(re.compile(pattern, re.I), advice) for pattern, advice in BANNED.items()]
    return [
        f"{name}:{text.count(chr(10), 0, found.start()) + 1}: {found[0]!r} -> {advice}"
        for name, text in texts()
        for pattern, advice in patterns
        for found in pattern.finditer(text)
    ]


def test_texts_use_the_terms_of_the_field() -> None:
    assert "\n".join(findings()) == ""


@pytest.mark.parametrize(
    "phrase", ["so much that", ", so many thousands fit", "file.tell()", "storytelling", "MAX_SIDE", "most_likely"]
)
def test_other_words_are_allowed(phrase: str) -> None:
    assert not any(re.search(pattern, phrase, re.I) for pattern in BANNED)


@pytest.mark.parametrize(
    "phrase", ["So many pixels", "warn_told", "_TOLD", "Nobody", '"""What is', "in place of", "MOST_SCANS", "LEAST_X"]
)
def test_banned_words_are_found(phrase: str) -> None:
    assert any(re.search(pattern, phrase, re.I) for pattern in BANNED)
