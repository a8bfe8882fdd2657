"""Files of ``--output``: what is replaced, what is written in place, and the errors."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fyke.cli import output_file as module
from fyke.cli.errors import CommandFailed, Exit
from fyke.cli.main import app
from fyke.cli.output_file import check_output, output_file


def write(path: Path, content: bytes) -> None:
    check_output(path)
    with output_file(path) as file:
        file.write(content)


def test_a_regular_file_is_replaced_only_by_complete_content(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    write(path, b"one")
    with pytest.raises(ZeroDivisionError), output_file(path) as file:
        file.write(b"tw")
        raise ZeroDivisionError
    assert path.read_bytes() == b"one"
    with path.open("rb") as earlier:
        write(path, b"two")
        assert earlier.read() == b"one"
    assert path.read_bytes() == b"two"
    assert [*tmp_path.iterdir()] == [path]


def test_a_link_stays_and_its_target_is_written(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    target, link = tmp_path / "elsewhere" / "t.csv", tmp_path / "l.csv"
    link.symlink_to(target)
    for content in (b"new", b"replaced"):  # the target is missing first
        write(link, content)
        assert link.is_symlink() and target.read_bytes() == content
        assert [*target.parent.iterdir()] == [target]


@pytest.fixture
def of_another_user(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Gives a link to another user than the one who follows it."""

    def change(link: Path) -> None:
        if os.geteuid() == 0:
            os.lchown(link, 12_346, 12_346)
        else:
            monkeypatch.setattr(module.os, "geteuid", lambda: link.lstat().st_uid + 1)

    return change


@pytest.mark.parametrize("name", ["rows.csv", "own.csv", "folder/rows.csv", "null"])
def test_a_link_of_another_user_is_not_followed(
    tmp_path: Path, of_another_user: Callable[[Path], None], name: str
) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "rows.csv").write_bytes(b"kept")
    planted = tmp_path / "rows.csv"
    planted.symlink_to(kept / "rows.csv")
    if name == "own.csv":
        (tmp_path / name).symlink_to("rows.csv")
    elif name == "folder/rows.csv":
        planted = tmp_path / "folder"
        planted.symlink_to("kept")
    elif name == "null":
        planted = tmp_path / name
        planted.symlink_to("/dev/null")
    of_another_user(planted)
    expected = rf"^--output {tmp_path}/{name}: {planted} is a link of user \d+, and only links of"
    with pytest.raises(CommandFailed, match=expected):
        check_output(tmp_path / name)
    with pytest.raises(CommandFailed, match=expected), output_file(tmp_path / name) as file:
        file.write(b"rows")
    assert (kept / "rows.csv").read_bytes() == b"kept"


def test_a_planted_partial_file_is_not_written(tmp_path: Path) -> None:
    path, kept = tmp_path / "rows.csv", tmp_path / "kept"
    kept.write_bytes(b"kept")
    (tmp_path / f".rows.csv.part-{os.getpid()}").symlink_to(kept)
    write(path, b"rows")
    assert (path.read_bytes(), kept.read_bytes()) == (b"rows", b"kept")
    assert not path.is_symlink()


def test_a_partial_file_is_readable_by_this_user_only(tmp_path: Path) -> None:
    with output_file(tmp_path / "rows.csv"):
        [partial] = tmp_path.iterdir()
        assert partial.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(("before", "after"), [(None, 0o640), (0o600, 0o600), (0o666, 0o666)])
def test_the_permissions_of_an_existing_file_stay(
    tmp_path: Path, before: int | None, after: int
) -> None:
    path = tmp_path / "rows.csv"
    if before is not None:
        path.touch()
        path.chmod(before)
    mask = os.umask(0o027)
    try:
        write(path, b"rows")
    finally:
        os.umask(mask)
    assert path.stat().st_mode & 0o777 == after


def test_permissions_that_another_user_chose_do_not_open_the_file(
    tmp_path: Path, of_another_user: Callable[[Path], None]
) -> None:
    path = tmp_path / "rows.csv"
    path.touch()
    path.chmod(0o666)
    of_another_user(path)
    mask = os.umask(0o027)
    try:
        write(path, b"rows")
    finally:
        os.umask(mask)
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_pipe_that_is_replaced_meanwhile_still_gets_the_content(tmp_path: Path) -> None:
    pipe, kept, got = tmp_path / "p", tmp_path / "kept", []
    os.mkfifo(pipe)
    kept.write_bytes(b"kept")
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()), daemon=True)
    reader.start()
    with output_file(pipe) as file:
        pipe.unlink()
        pipe.symlink_to(kept)
        file.write(b"rows")
    reader.join(10)
    assert (got, kept.read_bytes()) == ([b"rows"], b"kept")


def test_a_device_that_is_a_regular_file_when_it_is_opened_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(b"kept")
    with pytest.raises(OSError, match="was replaced by a regular file"):
        module._open_device(path)
    (tmp_path / "link").symlink_to("/dev/null")
    with pytest.raises(OSError, match="symbolic links"):
        module._open_device(tmp_path / "link")
    assert path.read_bytes() == b"kept"


def test_a_pipe_stays_and_its_reader_gets_the_content(tmp_path: Path) -> None:
    pipe, got = tmp_path / "p", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    write(pipe, b"rows")
    reader.join(10)
    assert got == [b"rows"] and pipe.is_fifo()


def test_a_pipe_of_the_shell_is_written(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    write(Path(f"/dev/fd/{writing}"), b"rows")
    assert os.read(reading, 10) == b"rows"
    os.close(reading)
    os.close(writing)


def test_a_device_stays_and_its_error_names_it(tmp_path: Path) -> None:
    null, full = tmp_path / "null", tmp_path / "full"
    null.symlink_to("/dev/null")
    full.symlink_to("/dev/full")
    write(null, b"rows")
    with pytest.raises(CommandFailed, match=re.escape(f"--output {full}: No space left on device")):
        write(full, b"rows")
    assert Path("/dev/null").is_char_device() and Path("/dev/full").is_char_device()
    assert null.is_symlink() and full.is_symlink()


def test_a_reader_that_is_gone_is_not_a_failure_of_the_file() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with pytest.raises(BrokenPipeError):
        write(Path(f"/dev/fd/{writing}"), b"rows")
    os.close(writing)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("/", "is a folder; name a file"),
        (".", "is a folder; name a file"),
        ("folder", "is a folder; name a file"),
        ("none/x.csv", "there is no folder none; make it, or name another file"),
        ("dangling", "there is no folder {}/none; make it, or name another file"),
        ("loop", "Too many levels of symbolic links; name another file"),
        ("n" * 300, "File name too long; name another file"),
    ],
)
def test_the_error_names_the_path_as_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, problem: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    Path("dangling").symlink_to("none/x.csv")
    Path("loop").symlink_to("loop")
    result = CliRunner().invoke(app, ["run", "export", "01JG", "--format", "csv", "-o", name])
    assert isinstance(result.exception, CommandFailed)
    assert str(result.exception) == f"--output {name}: {problem.format(tmp_path)}"
    assert result.exception.code is Exit.USAGE


def test_a_file_that_this_user_may_not_write_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module.os, "access", lambda path, _: path != tmp_path)
    with pytest.raises(CommandFailed, match=r"x\.csv: may not be written by this user"):
        check_output(tmp_path / "x.csv")


def test_a_folder_in_which_no_file_can_be_made_is_refused_first(tmp_path: Path) -> None:
    """Root may do anything else there."""
    with pytest.raises(CommandFailed, match=r"no file can be made in /proc|not be written by this"):
        check_output("/proc/x.csv")
    check_output(tmp_path / "x.csv")
    assert list(tmp_path.iterdir()) == []
