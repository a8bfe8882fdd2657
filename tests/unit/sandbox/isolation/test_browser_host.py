"""The first process of a browser's sandbox, outside of one and with a program of the test's own.

The contract suite of browsers runs it in a sandbox, with Chromium.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fyke.kit.frames import MAX_FRAME, encode
from fyke.kit.ids import new_ulid
from fyke.sandbox.isolation import browser_host
from fyke.sandbox.isolation.browser_host import (
    CACHE_FOLDER,
    Frame,
    Host,
    accepts,
    fill_cache,
    open_channel,
    read_port,
)
from fyke.sandbox.process.saved_caches import FOLDER

GUID = "/devtools/browser/488da98c-0712-4ce3-9e6e-77f4554f55b6"
# opens a port, writes the file of Chromium, and ends when it gets SIGTERM
BROWSER = f"""
import os, socket, time
server = socket.create_server(("127.0.0.1", 0))
os.mkdir(os.environ["FYKE_PROFILE"])
with open(os.environ["FYKE_PROFILE"] + "/DevToolsActivePort", "w") as file:
    file.write(str(server.getsockname()[1]) + "\\n{GUID}")
while True:
    server.accept()[0].sendall(b"hello")
"""
SILENT = "import time; time.sleep(60)"
ENDS = "import sys; sys.exit(7)"


class Gateway:
    """The other side of the channel. The host takes its steps while an answer is awaited."""

    def __init__(self, host: Host, sock: socket.socket, control: socket.socket) -> None:
        self.host, self.sock, self.control = host, sock, control
        sock.setblocking(False)
        self.frames: list[Frame] = []
        self._data = b""

    def ask(self, kind: str, **fields: Any) -> Frame:
        number = new_ulid()
        self.sock.sendall(encode({"type": kind, "id": number} | fields))
        return self.wait(lambda frame: frame.get("id") == number)

    def event(self, kind: str) -> Frame:
        return self.wait(lambda frame: frame["type"] == kind and "id" not in frame)

    def wait(self, wanted: Callable[[Frame], bool]) -> Frame:
        for _ in range(3000):
            for frame in self.frames:
                if wanted(frame):
                    self.frames.remove(frame)
                    return frame
            self.host.step()
            self._read()
        raise AssertionError(f"no such frame, but {self.frames}")

    def _read(self) -> None:
        try:
            self._data += self.sock.recv(65536)
        except BlockingIOError:
            return
        while len(self._data) >= 4:
            size = int.from_bytes(self._data[:4], "big")
            if len(self._data) < 4 + size:
                return
            self.frames.append(json.loads(self._data[4 : 4 + size]))
            self._data = self._data[4 + size :]


@pytest.fixture
def gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gateway]:
    monkeypatch.setattr(browser_host, "WORK", str(tmp_path))
    monkeypatch.setattr(browser_host, "INTERPRETER", sys.executable)
    monkeypatch.setattr(browser_host, "PROGRAM", str(tmp_path / "program.py"))
    monkeypatch.setattr(browser_host, "SOCKET", f"\0fyke-test-{new_ulid()}")
    monkeypatch.setattr(browser_host, "ENVIRONMENT", {"PATH": "/usr/bin:/bin"})
    control, outside = socket.socketpair()
    channel, ours = socket.socketpair()
    settings: dict[str, Any] = {
        "programs": {"headless-shell": "x"},
        "driver": "",
        "inspector": "",
        "start": "",
        "cache": False,
        "display": "",
    }
    monkeypatch.setattr(browser_host, "DISPLAY_SOCKETS", str(tmp_path / ".X11-unix"))
    host = Host(control, channel, settings)
    (tmp_path / "program.py").write_text(BROWSER)
    with control, outside, channel, ours:
        yield Gateway(host, ours, outside)
        for program in list(host.programs.values()):
            program.kill()
            if program.ours:
                os.waitpid(program.pid, 0)
            os.close(program.pidfd)
        host.reports.close()
        os.close(host.null)


def test_a_program_is_started_and_stopped(gateway: Gateway, tmp_path: Path) -> None:
    started = gateway.ask("start", instance=0)
    assert (started["type"], started["instance"], started["path"]) == ("started", 0, GUID)
    with socket.create_connection(("127.0.0.1", started["port"]), 10) as connection:
        assert connection.recv(5) == b"hello"
    assert (tmp_path / "p1").is_dir()
    assert gateway.ask("stop", instance=0)["type"] == "stopped"
    assert gateway.event("ended")["status"] == -15
    while gateway.host.children:
        gateway.host.step()
    assert not (tmp_path / "p1").exists()


def display(gateway: Gateway, tmp_path: Path, after: str) -> None:
    """Order a display, which writes its arguments to a file and goes on with ``after``."""
    program = tmp_path / "display.py"
    words = f"open({str(tmp_path / 'words')!r}, 'a').write(' '.join(sys.argv[1:]) + chr(10))"
    program.write_text(f"#!{sys.executable}\nimport os, sys, time\n{words}\n{after}\n")
    program.chmod(0o755)
    gateway.host.settings["display"] = str(program)
    (tmp_path / "program.py").write_text(
        f"import os\nopen({str(tmp_path / 'named')!r}, 'w').write(os.environ['DISPLAY'])" + BROWSER
    )


READY = "os.write(3, b'0'); time.sleep(0.05); os.write(3, b'\\n'); time.sleep(60)"


def test_a_display_is_there_before_the_first_program_and_again_after_its_end(
    gateway: Gateway, tmp_path: Path
) -> None:
    display(gateway, tmp_path, READY)
    assert gateway.ask("start", instance=1)["type"] == "started"
    assert (tmp_path / "named").read_text() == ":0"
    assert stat.S_IMODE((tmp_path / ".X11-unix").stat().st_mode) == 0o1777
    assert gateway.ask("start", instance=2)["type"] == "started"
    [words] = (tmp_path / "words").read_text().splitlines()
    assert words.startswith(":0 -displayfd 3 ") and "-nolisten tcp" in words
    first = gateway.host.display
    assert first is not None
    first.kill()
    while gateway.host.display is not None:
        gateway.host.step()
    assert gateway.ask("start", instance=3)["type"] == "started"
    assert len((tmp_path / "words").read_text().splitlines()) == 2


@pytest.mark.parametrize("after", ["", "time.sleep(60)"], ids=["ends", "is silent"])
def test_a_display_that_does_not_start_is_said(
    gateway: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: str
) -> None:
    monkeypatch.setattr(browser_host, "DISPLAY_SECONDS", 0.2 if after else 10.0)
    display(gateway, tmp_path, after)
    answer = gateway.ask("start", instance=1)
    assert (answer["type"], answer["error"]) == ("failed", "the virtual display did not start")
    while gateway.host.programs:  # it was ended
        gateway.host.step()
    monkeypatch.setattr(browser_host, "DISPLAY_SECONDS", 10.0)
    display(gateway, tmp_path, READY)
    assert gateway.ask("start", instance=1)["type"] == "started"


def test_the_shared_program_is_started_ahead_and_claimed_once(gateway: Gateway) -> None:
    gateway.host.settings["start"] = "headless-shell"
    gateway.host.start_ahead()
    [program] = gateway.host.programs.values()
    while not program.port:
        gateway.host.step()
    assert gateway.frames == []  # nobody has asked
    started = gateway.ask("start", instance=0)
    assert (started["port"], started["path"]) == (program.port, GUID)
    assert "is running" in gateway.ask("start", instance=0)["error"]
    assert gateway.ask("start", instance=1)["port"] != program.port
    program.send(signal.SIGKILL)
    assert gateway.event("ended")["status"] == -9


def test_a_request_waits_for_the_program_that_was_started_ahead(gateway: Gateway) -> None:
    gateway.host.settings["start"] = "headless-shell"
    gateway.host.start_ahead()
    assert gateway.ask("start", instance=0)["type"] == "started"
    assert len(gateway.host.programs) == 1


@pytest.mark.parametrize("arguments", [[], ["--lang=de"]], ids=["it has ended", "it has arguments"])
def test_a_program_that_cannot_be_claimed_is_not_reported(
    gateway: Gateway, arguments: list[str]
) -> None:
    gateway.host.settings["start"] = "headless-shell"
    gateway.host.start_ahead()
    [program] = gateway.host.programs.values()
    while not program.port:
        gateway.host.step()
    if arguments:
        answer = gateway.ask("start", instance=0, arguments=arguments)
        assert answer["error"] == "instance 0 is running"
        return
    program.send(signal.SIGKILL)
    while gateway.host.programs:
        gateway.host.step()
    assert gateway.frames == []
    assert gateway.ask("start", instance=0)["port"] != program.port


def test_a_program_that_nobody_claims_ends_when_another_is_used(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway.host.settings["start"] = "headless-shell"
    gateway.host.start_ahead()
    [ahead] = gateway.host.programs.values()
    while not ahead.port:
        gateway.host.step()
    assert gateway.host.pause() is None  # it waits for the first request
    gateway.ask("start", instance=1)
    left = gateway.host.pause()
    assert left is not None
    assert 10 < left <= browser_host.CLAIM_SECONDS * 1000
    monkeypatch.setattr(ahead, "claim_by", 1.0)
    gateway.host.look()
    while ahead in gateway.host.programs.values():
        gateway.host.step()
    assert gateway.frames == []  # nobody has got to know of it
    assert gateway.ask("start", instance=0)["port"] != ahead.port
    assert len(gateway.host.programs) == 2


def test_a_program_that_is_claimed_in_time_stays(gateway: Gateway) -> None:
    gateway.host.settings["start"] = "headless-shell"
    gateway.host.start_ahead()
    gateway.ask("start", instance=1)
    started = gateway.ask("start", instance=0)
    assert not any(program.claim_by for program in gateway.host.programs.values())
    assert started["type"] == "started"


def test_chromedriver_limits_the_wait_of_a_program_that_was_started_ahead(
    gateway: Gateway, tmp_path: Path
) -> None:
    gateway.host.settings |= {"start": "headless-shell", "driver": str(tmp_path / "driver")}
    (tmp_path / "driver").write_text("#!/bin/sh\nexit 3\n")
    (tmp_path / "driver").chmod(0o755)
    gateway.host.start_ahead()
    [ahead] = gateway.host.programs.values()
    gateway.ask("driver")
    assert ahead.claim_by


def test_a_program_without_a_port_is_killed(
    gateway: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(browser_host, "START_SECONDS", 0.0)
    (tmp_path / "program.py").write_text(SILENT)
    answer = gateway.ask("start", instance=0)
    assert answer["error"] == "no port was opened within 0 s"
    while gateway.host.programs:
        gateway.host.step()
    gateway._read()
    assert gateway.frames == []  # no event: nobody has got to know of it


def test_a_program_that_ends_at_once_is_reported(gateway: Gateway, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(ENDS)
    answer = gateway.ask("start", instance=0)
    assert answer["error"] == "the program ended with status 7"


def test_a_program_that_ignores_sigterm_is_killed(gateway: Gateway, tmp_path: Path) -> None:
    ignoring = "import signal; signal.signal(15, signal.SIG_IGN)"
    (tmp_path / "program.py").write_text(ignoring + BROWSER)
    gateway.ask("start", instance=0)
    assert gateway.ask("stop", instance=0)["type"] == "stopped"
    assert gateway.event("ended")["status"] == -9


def test_too_many_programs_are_refused(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browser_host, "MAX_PROGRAMS", 1)
    assert gateway.ask("start", instance=0)["type"] == "started"
    assert gateway.ask("start", instance=1)["error"] == "1 programs are running"


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"type": "driver"}, "this machine has no chromedriver"),
        ({"type": "inspect", "variables": {}}, "this sandbox has no inspector"),
        ({"type": "other"}, "there is no request 'other'"),
    ],
    ids=str,
)
def test_what_is_not_there_is_refused(gateway: Gateway, fields: Frame, error: str) -> None:
    answer = gateway.ask(fields.pop("type"), **fields)
    assert answer["type"] == "failed"
    assert error in answer["error"]


def reporting(content: bytes) -> subprocess.Popen[bytes]:
    """A process that has reported ``content`` and stays, as one that chromedriver started."""
    code = (
        "import socket, sys\n"
        "s = socket.socket(socket.AF_UNIX)\n"
        "s.connect(chr(0) + sys.argv[1])\n"
        "s.sendall(sys.stdin.readline()[:-1].encode())\n"
        "s.close()\n"
        "print(flush=True)\n"
        "sys.stdin.read()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-I", "-c", code, browser_host.SOCKET[1:]],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(content + b"\n")
    process.stdin.flush()
    return process


def test_a_browser_of_chromedriver_gets_a_number(gateway: Gateway, tmp_path: Path) -> None:
    profile = tmp_path / "scoped"
    profile.mkdir()
    content = json.dumps({"profile": str(profile), "dropped": ["proxy-server"]}).encode()
    process = reporting(content)
    assert gateway.event("dropped") == {
        "type": "dropped",
        "instance": 1_000_000,
        "arguments": ["proxy-server"],
    }
    (profile / "DevToolsActivePort").write_text(f"40001\n{GUID}")
    assert gateway.event("driven") == {
        "type": "driven",
        "instance": 1_000_000,
        "port": 40001,
        "path": GUID,
    }
    process.kill()
    process.wait()
    assert gateway.event("ended") == {"type": "ended", "instance": 1_000_000, "status": None}
    assert profile.exists()  # chromedriver removes it


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "{}", '{"profile": 1, "dropped": []}', '{"profile": "/x"}', "[" * 100_000],
)
def test_a_report_of_another_kind_is_ignored(gateway: Gateway, content: str) -> None:
    process = reporting(content.encode())
    gateway.host.step()
    assert gateway.host.programs == {}
    process.kill()
    process.wait()
    assert gateway.ask("start", instance=0)["type"] == "started"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (f"9222\n{GUID}", (9222, GUID)),
        (f"0\n{GUID}", None),
        (f"65536\n{GUID}", None),
        ("9222\n", None),
        ("9222", None),
        ("", None),
        (f"9222\n{GUID}\n", None),
        (f"9222\n{GUID}/../x", None),
        ("9222\n/devtools/page/1", None),
        (f"9222\n{GUID}" + "x" * 300, None),
        (f"{'9' * 300}\n{GUID}", None),
    ],
)
def test_the_port_is_read_from_a_complete_file_only(
    tmp_path: Path, content: str, expected: tuple[int, str] | None
) -> None:
    (tmp_path / "DevToolsActivePort").write_text(content)
    assert read_port(str(tmp_path)) == expected


def test_the_port_is_not_read_from_anything_but_a_file(tmp_path: Path) -> None:
    assert read_port(str(tmp_path / "none")) is None
    path = tmp_path / "DevToolsActivePort"
    (tmp_path / "other").write_text(f"9222\n{GUID}")
    path.symlink_to(tmp_path / "other")
    assert read_port(str(tmp_path)) is None
    path.unlink()
    os.mkfifo(path)
    assert read_port(str(tmp_path)) is None
    path.unlink()
    path.mkdir()
    assert read_port(str(tmp_path)) is None


def test_a_port_accepts_connections_or_not() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert accepts(port)
    assert not accepts(port)


DRIVER = """#!{python}
import socket, sys, time
server = socket.create_server(("127.0.0.1", int(sys.argv[1].partition("=")[2])))
print("Starting ChromeDriver", flush=True)
print("an error", file=sys.stderr, flush=True)
while True:
    server.accept()
"""


def test_chromedriver_is_started_once_and_again_after_its_end(
    gateway: Gateway,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    monkeypatch.setattr(browser_host, "DRIVER_PORT", port)
    driver = tmp_path / "driver"
    driver.write_text(DRIVER.format(python=sys.executable))
    driver.chmod(0o755)
    gateway.host.settings["driver"] = str(driver)
    assert gateway.ask("driver")["port"] == port
    [program] = gateway.host.programs.values()
    assert gateway.ask("driver")["port"] == port
    assert list(gateway.host.programs.values()) == [program]
    program.send(9)
    while gateway.host.programs:
        gateway.host.step()
    assert gateway.ask("driver")["type"] == "driver"
    driver.write_text("#!/bin/sh\nexit 3\n")
    next(iter(gateway.host.programs.values())).send(9)
    while gateway.host.programs:
        gateway.host.step()
    assert gateway.ask("driver")["error"] == "the program ended with status 3"
    assert gateway.frames == []
    written = capfd.readouterr()
    assert "an error" in written.err and "Starting" not in written.out + written.err


@pytest.mark.parametrize("end", ["sock", "control"])
def test_the_end_of_either_socket_ends_the_host(gateway: Gateway, end: str) -> None:
    getattr(gateway, end).shutdown(socket.SHUT_WR)
    with pytest.raises(EOFError):
        gateway.host.step()


def test_only_the_other_side_keeps_what_is_passed_out() -> None:
    """Nothing inside can change how a socket of the gateway behaves: it has no copy."""
    ours, theirs = socket.socketpair()
    with ours, theirs, open_channel(theirs) as channel:
        mine = {os.fstat(int(name)).st_ino for name in os.listdir("/proc/self/fd") if exists(name)}
        _, numbers, _, _ = socket.recv_fds(ours, 64, 4)
        assert len(numbers) == 3
        for number in numbers:
            assert os.fstat(number).st_ino not in mine
        end, server, client = (socket.socket(fileno=number) for number in numbers)
        with end, server, client:
            end.sendall(b"frame")
            assert channel.recv(5) == b"frame"
            client.connect(server.getsockname())
            assert channel.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            assert end.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def exists(name: str) -> bool:
    """Whether a descriptor is open, and not that of the list itself."""
    return os.path.exists(f"/proc/self/fd/{name}")


def test_a_frame_above_the_limit_ends_the_host(gateway: Gateway) -> None:
    gateway.sock.sendall((MAX_FRAME + 1).to_bytes(4, "big"))
    with pytest.raises(EOFError):
        gateway.host.step()


# says before it has a port where its cache is
SAYS_CACHE = "import os; print(os.environ.get('FYKE_CACHE'), flush=True)\n" + BROWSER


@pytest.mark.parametrize("kept_apart", [False, True])
def test_only_the_shared_program_has_its_cache_apart(
    gateway: Gateway, tmp_path: Path, capfd: pytest.CaptureFixture[str], kept_apart: bool
) -> None:
    (tmp_path / "program.py").write_text(SAYS_CACHE)
    gateway.host.settings["cache"] = kept_apart
    for instance, expected in ((0, "/work/cache" if kept_apart else "None"), (1, "None")):
        assert gateway.ask("start", instance=instance)["type"] == "started"
        assert capfd.readouterr().err.split() == [expected]


def saved(listed: bytes, contents: bytes) -> int:
    number = os.memfd_create("saved")
    os.write(number, len(listed).to_bytes(8, "big") + listed + contents)
    return number


def test_a_saved_cache_is_copied_and_closed(tmp_path: Path) -> None:
    assert "/work/" + "/".join(FOLDER) == CACHE_FOLDER
    number = saved(b'[["a_0", 5], ["b_0", 0], ["c_1", 100000]]', b"hello" + b"x" * 100_000)
    fill_cache(number, str(tmp_path / "a" / "b"))
    assert {path.name: path.read_bytes() for path in (tmp_path / "a" / "b").iterdir()} == {
        "a_0": b"hello",
        "b_0": b"",
        "c_1": b"x" * 100_000,
    }
    with pytest.raises(OSError):
        os.fstat(number)


@pytest.mark.parametrize(
    ("listed", "contents"),
    [
        (b'[["a_0", 5], ["b_0", 6]]', b"hello"),  # it is shorter
        (b'[["a_0", 5], ["none/b_0", 1]]', b"hello1"),
        (b'[["a_0", 5]', b"hello"),
        (b"", b""),
    ],
)
def test_a_saved_cache_that_cannot_be_copied_leaves_nothing(
    tmp_path: Path, listed: bytes, contents: bytes
) -> None:
    number = saved(listed, contents)
    fill_cache(number, str(tmp_path / "cache"))
    assert list((tmp_path / "cache").iterdir()) == []
    with pytest.raises(OSError):
        os.fstat(number)
