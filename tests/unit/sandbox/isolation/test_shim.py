"""The parts of the shim that need no isolation: reading the job, copying the bundle."""

from __future__ import annotations

import json
import os
import resource
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from fyke.sandbox.isolated import _encode
from fyke.sandbox.isolation import shim


def send(data: bytes, *, close: bool = True) -> list[tuple[str, str]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        for at in range(0, len(data), 7):
            ours.sendall(data[at : at + 7])
        if close:
            ours.shutdown(socket.SHUT_WR)
        return shim.read_job(theirs)


@pytest.mark.parametrize(
    "job",
    [
        [("a", "/usr/bin/python3"), ("a", "main.py"), ("e", "A=b=c\n:d"), ("c", "")],
        [("e", "X=\u00e4\u4e2d\U0001f600")],
        [("e", "RAW=\udcff")],
        [("e", "LONG=" + "x" * 200_000)],
    ],
)
def test_a_job_is_read_as_it_was_sent(job: list[tuple[str, str]]) -> None:
    if len(job[0][1]) > 100_000:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            sender = threading.Thread(target=ours.sendall, args=(_encode(job),))
            sender.start()
            assert shim.read_job(theirs) == job
            sender.join()
        return
    assert send(_encode(job), close=False) == job


def test_a_job_that_is_not_complete_is_empty() -> None:
    assert send(b"") == []
    assert send(_encode([("a", "/x")])[:-1]) == []


def test_whether_a_job_has_arrived_is_known_without_reading_it() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        with ours:
            assert not shim.has_job(theirs)
            ours.sendall(_encode([("a", "/x")]))
            assert shim.has_job(theirs)
            assert shim.read_job(theirs) == [("a", "/x")]
            assert not shim.has_job(theirs)
        assert shim.has_job(theirs)  # so that the end is noticed at once


def test_a_nul_cannot_be_sent() -> None:
    with pytest.raises(ValueError, match="NUL"):
        _encode([("e", "A=\0")])


def test_a_copy_shares_no_inode_and_has_plain_modes(tmp_path: Path) -> None:
    source, target = tmp_path / "s", tmp_path / "t"
    (source / "a" / "b").mkdir(parents=True)
    (source / "a" / "b" / "big").write_bytes(os.urandom(3_000_000))
    (source / "empty").touch(mode=0o400)
    (source / "tool").write_text("x")
    (source / "tool").chmod(0o4711)
    (source / "link").symlink_to("/etc/passwd")
    os.mkfifo(source / "fifo")
    os.link(source / "tool", source / "twin")
    target.mkdir()
    before = os.umask(0o022)
    try:
        shim.copy_tree(str(source), str(target))
    finally:
        os.umask(before)
    names = sorted(str(path.relative_to(target)) for path in target.rglob("*"))
    assert names == ["a", "a/b", "a/b/big", "empty", "tool", "twin"]
    assert (target / "a/b/big").read_bytes() == (source / "a/b/big").read_bytes()
    modes = {name: oct((target / name).stat().st_mode & 0o7777) for name in ("empty", "tool", "a")}
    assert modes == {"empty": "0o644", "tool": "0o755", "a": "0o755"}
    assert {(target / name).stat().st_nlink for name in ("tool", "twin", "empty")} == {1}


def test_the_shim_imports_nothing_slow() -> None:
    """Each of these would add milliseconds to every start."""
    code = (
        "import sys; sys.argv=['x']; import runpy; before=set(sys.modules)\n"
        f"import importlib.util as u; s=u.spec_from_file_location('shim',{shim.__file__!r})\n"
        "m=u.module_from_spec(s); seen=set(sys.modules); s.loader.exec_module(m)\n"
        "n=sorted(set(sys.modules)-seen); import json; print(json.dumps(n))"
    )
    output = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert set(json.loads(output)) <= {
        "__future__",
        "_socket",
        "_signal",
        "os",
        "stat",
        "posixpath",
        "genericpath",
    }


def test_a_limit_that_the_machine_does_not_allow_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(number: int, limits: tuple[int, int]) -> None:
        raise ValueError("not allowed to raise maximum limit")

    monkeypatch.setattr(resource, "setrlimit", refuse)
    monkeypatch.setattr(resource, "getrlimit", lambda number: (40, 40))
    with pytest.raises(ValueError, match=r"open files \(ulimit -n\) is 40, and 1024 is needed"):
        shim.set_limit(resource.RLIMIT_NOFILE, 1024)


def test_modules_that_take_long_to_load_are_not_imported() -> None:
    code = "import sys; __name__ = ''; exec(sys.stdin.read()); print('os' in sys.modules)"
    command = ["/usr/bin/python3", "-I", "-B", "-S", "-c", code]
    source = Path(shim.__file__).read_text()
    result = subprocess.run(command, input=source, capture_output=True, text=True, check=True)
    assert result.stdout == "False\n"
