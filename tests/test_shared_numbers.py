"""The page and its engine read numbers and names from Python."""

from tools.shared_numbers import SHARED, as_text


def test_the_numbers_of_the_page_are_those_of_the_package() -> None:
    assert SHARED.read_text(encoding="utf-8") == as_text(), "python -m tools.shared_numbers writes them"
