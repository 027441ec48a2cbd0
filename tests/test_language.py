"""The command in the user's language: which one, all texts of the verbs that people meet first, and messages."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

from onar.cli import app
from onar.system.language import MESSAGES_IN_MESSAGES, language, translate, translate_message
from tests.conftest import REPOSITORY
from tests.support.runs import run_onar

SOURCE = REPOSITORY / "src" / "onar"
TEXTS = tomllib.loads((SOURCE / "assets" / "texts" / "tr.toml").read_text(encoding="utf-8"))
PUT_TOGETHER = ("Kind of generated holes", "Kinds, with commas")
"""Beginnings of texts that are put together from those of a registry."""
MAIN_VERBS = ("complete", "find", "serve", "train", "evaluate", "export")
LOCALES = ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")


@pytest.fixture(autouse=True)
def no_locale(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in LOCALES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def turkish(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANG", "tr_TR.UTF-8")


@pytest.mark.parametrize(
    ("locales", "expected"),
    [
        ({}, "en"),
        ({"LANG": "tr_TR.UTF-8"}, "tr"),
        ({"LANG": "tr"}, "tr"),
        ({"LANG": "tr_TR.UTF-8", "LC_MESSAGES": "en_GB.UTF-8"}, "en"),
        ({"LANG": "en_GB.UTF-8", "LC_MESSAGES": "tr_TR.UTF-8"}, "tr"),
        ({"LANG": "tr_TR.UTF-8", "LC_ALL": "C.UTF-8"}, "en"),
        ({"LC_ALL": "tr_TR", "LC_MESSAGES": "en_GB.UTF-8"}, "tr"),
        ({"LANG": "de_DE.UTF-8", "LANGUAGE": "de:tr:en"}, "tr"),
        ({"LANG": "tr_TR.UTF-8", "LANGUAGE": "en:tr"}, "en"),
        ({"LANG": "C", "LANGUAGE": "tr"}, "en"),
        ({"LANG": "", "LC_ALL": "", "LANGUAGE": "tr"}, "en"),
        ({"LANG": "../../tr"}, "en"),
        ({"LANG": "trk_TR.UTF-8"}, "en"),
    ],
)
def test_the_language_is_that_of_the_system(
    locales: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in locales.items():
        monkeypatch.setenv(name, value)
    assert language() == expected


# ---------------------------------------------------------------- texts
def helps(verb: str) -> dict[str, str]:
    """The options of a verb that `--help` shows, and their texts."""
    arguments = app[verb].assemble_argument_collection(parse_docstring=True)
    return {argument.name: argument.parameter.help or "" for argument in arguments if argument.show}


@pytest.mark.parametrize("verb", MAIN_VERBS)
def test_every_option_of_the_main_verbs_is_explained_in_turkish(verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    english = helps(verb)
    monkeypatch.setenv("LANG", "tr_TR.UTF-8")
    turkish = helps(verb)
    assert len(english) > 5
    assert [name for name, text in english.items() if text == turkish[name]] == []


@pytest.mark.usefixtures("turkish")
def test_every_verb_is_introduced_in_turkish() -> None:
    verbs = [name for name in app if not name.startswith("-")]
    helped = {verb: app[verb].help.split("\n\n")[0] for verb in verbs}
    assert [verb for verb, text in helped.items() if text not in TEXTS["help"].values()] == []


def english_of_the_source() -> str:
    """All texts in the source, with settings as options."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in SOURCE.rglob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    texts = [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return re.sub(r"`(\w+)`", r"--\1", " ".join(" ".join(texts).split()))


@pytest.mark.parametrize("topic", ["help", "messages"])
def test_every_translated_text_is_one_of_the_source(topic: str) -> None:
    source = english_of_the_source()
    parts = {text: re.split(r"\{\w+\}", re.sub(r"`(\w+)`", r"--\1", text)) for text in TEXTS[topic]}
    stale = [text for text, said in parts.items() if any(part_of_source(part) not in source for part in said)]
    assert [text for text in stale if not text.startswith(PUT_TOGETHER)] == []


def part_of_source(part: str) -> str:
    """A part of a message without the name of the setting, which errors keep beside their message."""
    return re.sub(r"^--\w+ ", "", part.strip(" :;,"))


def test_translations_name_what_the_english_text_names() -> None:
    for english, turkish in ((english, turkish) for topic in TEXTS.values() for english, turkish in topic.items()):
        names = [set(re.findall(r"\{(\w+)\}", text)) for text in (english, turkish)]
        assert names[1] <= names[0], english
        assert names[0] - names[1] <= MESSAGES_IN_MESSAGES | {"count"}, english
        options = [set(re.findall(r"--\w+|`\w+`", text)) for text in (english, turkish)]
        assert options[0] <= options[1], english
        assert turkish.strip(), english


# ---------------------------------------------------------------- messages
@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ("complete none.jpg --mask mask.png --output out.png", 1, "none.jpg: böyle bir dosya ya da klasör yok"),
        ("complete photo.jpg --mask none.png --output out.png", 1, "maske none.png: böyle bir dosya ya da klasör yok"),
        ("complete photo.jpg --mask mask.png --output out.gif", 2, "--output out.gif şunlardan biriyle bitmeli"),
        ("complete photo.jpg --mask mask.png", 2, '"complete" komutu --output seçeneğini ister'),
        ("complete photo.jpg --masc mask.png", 2, "--masc diye bir seçenek yok. Şunu mu demek istediniz: --mask"),
        ("compelte photo.jpg", 2, '"compelte" diye bir komut yok. Şunu mu demek istediniz: "complete"'),
        ("masks --output out --count 0", 2, "--count en az 1 olmalıdır, 0 değil"),
        ("masks --output out --mask_type round", 2, '--mask_type için "round" geçersiz. Şunlardan birini seçin'),
        ("serve --port 99999", 2, "--port 0 ile 65535 arasında olmalıdır, 99999 değil"),
    ],
)
@pytest.mark.usefixtures("turkish")
def test_wrong_use_is_reported_in_turkish(
    arguments: str, code: int, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("photo.jpg", "mask.png"):
        (tmp_path / name).write_bytes(b"")
    run = run_onar(*arguments.split(), code=code)
    assert run.err.startswith(f"onar: {message}")


@pytest.mark.usefixtures("turkish")
def test_help_has_the_words_of_the_language() -> None:
    text = run_onar("complete", "--help").out
    assert re.search(r"Kullanım: onar complete .*--output PATH \[SEÇENEKLER\]", text)
    for word in ("zorunlu", "varsayılan: auto", "0 ile 1000 arasında", "seçenekler: auto", "Doldurma", "Genel"):
        assert word in text
    assert not re.search(r"\b(Usage|default:|required|choices:|Parameters|Args)\b", text)


@pytest.mark.parametrize("name", ["Photos", "default", "Weights", "Run"])
@pytest.mark.usefixtures("turkish")
def test_names_of_files_are_not_translated(name: str) -> None:
    assert translate_message(f"{name}: the file is empty") == f"{name}: dosya boş"
    assert translate_message(f"completed {name}") == f"tamamlandı: {name}"


@pytest.mark.usefixtures("turkish")
def test_unknown_texts_stay_as_they_are() -> None:
    for text in ("", ": ", "something else", "a: b: c", "x" * 5000):
        assert translate(text) == translate_message(text) == text
