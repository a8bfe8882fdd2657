"""Files of ``--output``: what is replaced, what is written in place, and the errors."""

from __future__ import annotations

import os
import re
import threading
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
