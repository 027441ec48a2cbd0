import os
import stat
from pathlib import Path

import pytest

from onar.errors import OnarError
from onar.files import replacing, write_text


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444])
def test_a_replaced_file_keeps_its_mode(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "a.txt"
    path.write_text("before")
    path.chmod(mode)
    write_text(path, "after")
    assert path.read_text() == "after"
    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_a_link_is_followed_and_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    target, link, dangling = tmp_path / "real" / "a.txt", tmp_path / "link.txt", tmp_path / "new.txt"
    target.write_text("before")
    link.symlink_to(target)
    dangling.symlink_to(Path("real") / "b.txt")
    write_text(link, "after")
    write_text(dangling, "new")
    assert link.is_symlink()
    assert dangling.is_symlink()
    assert (target.read_text(), (tmp_path / "real" / "b.txt").read_text()) == ("after", "new")
    assert sorted(path.name for path in tmp_path.rglob("*.*")) == ["a.txt", "b.txt", "link.txt", "new.txt"]


@pytest.mark.parametrize("stem", ["a" * 251, "ş" * 125 + "a", "写" * 83 + "aa"])
def test_names_may_be_as_long_as_the_system_takes(tmp_path: Path, stem: str) -> None:
    path = tmp_path / f"{stem}.txt"
    assert len(os.fsencode(path.name)) == 255
    write_text(path, "long")
    assert path.read_text() == "long"
    assert list(tmp_path.iterdir()) == [path]


def test_long_names_that_begin_alike_are_written_side_by_side(tmp_path: Path) -> None:
    first, second = (tmp_path / f"{'a' * 250}{end}.txt" for end in "bc")
    with replacing(first) as one, replacing(second) as other:
        assert one != other
        one.write_text("one")
        other.write_text("other")
    assert (first.read_text(), second.read_text()) == ("one", "other")


def test_what_fails_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("before")

    def write_half() -> None:
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise OSError("no space left")

    with pytest.raises(OnarError, match=r"cannot write .*a\.txt: no space left"):
        write_half()
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]
