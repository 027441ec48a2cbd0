import errno
import os
import stat
from pathlib import Path

import pytest

from onar.errors import OnarError
from onar.system.files import AppearedError, replacing, replacing_folder, write_text


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444])
def test_a_replaced_file_keeps_its_mode(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "a.txt"
    path.write_text("before")
    path.chmod(mode)
    write_text(path, "after")
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("after", mode)


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
    assert (path.read_text(), list(tmp_path.iterdir())) == ("long", [path])


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
    assert (path.read_text(), list(tmp_path.iterdir())) == ("before", [path])


# ---------------------------------------------------------------- what must not be replaced
def write_new(path: Path, text: str) -> None:
    with replacing(path, overwrite=False) as temporary:
        temporary.write_text(text)


def no_hard_links(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on exFAT, and on many shares."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)


@pytest.mark.parametrize("hard_links", [True, False])
def test_a_file_that_appears_meanwhile_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hard_links: bool) -> None:
    if not hard_links:
        no_hard_links(monkeypatch)
    path = tmp_path / "a.txt"
    write_new(path, "first")
    assert path.read_text() == "first"
    path.unlink()

    def write_too_late() -> None:
        with replacing(path, overwrite=False) as temporary:
            temporary.write_text("late")
            path.write_text("precious")

    with pytest.raises(AppearedError, match=r"a\.txt has appeared meanwhile"):
        write_too_late()
    assert (path.read_text(), list(tmp_path.iterdir())) == ("precious", [path])


def test_a_new_file_has_the_mode_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    write_new(tmp_path / "a.txt", "new")
    assert (tmp_path / "a.txt").stat().st_mode == (tmp_path / "plain").stat().st_mode
    assert (tmp_path / "a.txt").stat().st_nlink == 1


def test_of_two_writers_of_a_new_file_one_wins_and_the_other_gets_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"

    def write_with_another() -> None:
        with replacing(path, overwrite=False) as one:
            one.write_text("one")
            write_new(path, "other")

    with pytest.raises(AppearedError):
        write_with_another()
    assert path.read_text() == "other"


def test_processes_of_one_number_never_share_a_temporary_file(tmp_path: Path) -> None:
    with replacing(tmp_path / "a.txt") as one, replacing(tmp_path / "a.txt") as other:  # as two containers would
        one.write_text("one")
        other.write_text("other")
        assert one != other
    assert (tmp_path / "a.txt").read_text() == "one"


def test_a_folder_that_appears_while_another_is_written_stays(tmp_path: Path) -> None:
    def write_too_late() -> None:
        with replacing_folder(tmp_path / "page") as folder:
            (folder / "index.html").touch()
            (tmp_path / "page").mkdir()
            (tmp_path / "page" / "thesis.txt").write_text("years of work")

    with pytest.raises(OnarError, match="cannot write"):
        write_too_late()
    assert [path.name for path in tmp_path.rglob("*")] == ["page", "thesis.txt"]


@pytest.mark.parametrize("call", ["fsync", "chmod"])
def test_a_drive_that_refuses_niceties_gets_files(call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EINVAL if call == "fsync" else errno.EPERM, "refused")

    write_text(tmp_path / "file.txt", "before")
    monkeypatch.setattr(os, call, refuse)
    write_text(tmp_path / "file.txt", "after")
    assert (tmp_path / "file.txt").read_text() == "after"
    assert [path.name for path in tmp_path.iterdir()] == ["file.txt"]


def test_a_file_that_a_full_disk_has_lost_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    write_text(tmp_path / "file.txt", "before")
    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OnarError, match="No space left on device"):
        write_text(tmp_path / "file.txt", "after")
    assert (tmp_path / "file.txt").read_text() == "before"
