"""The first process in the sandbox of a browser: starts Chromium and ends it.

Runs as ``/usr/bin/python3 -I -B -S browser_host.pyc CONTROL_FD [CACHE_FD]``, so it is one file and
imports only the standard library. The second descriptor is a saved HTTP cache (see
``saved_caches``), with which the shared Chromium starts. Before it starts anything it passes
sockets of this network namespace out over the control socket: the listener of the proxy's port, and
those with which the gateway connects to Chromium and to this process (see ``fyke.kit.frames``).
Then it answers requests until the other side closes the control socket or its connection. When it
ends, process 1 ends, and with it everything in the sandbox.

A frame is four bytes of length and a JSON object. Requests:

* ``start`` with ``instance``, ``program`` and ``arguments``: start a Chromium, or answer with the
  shared one that was started ahead. Answered by ``started`` with ``port`` and ``path``, or
  ``failed``.
* ``driver`` with ``program``, which it will start: start chromedriver unless it runs; answered by
  ``driver`` with ``port``.
  A Chromium that was started ahead ends if it is not asked for within 30 s of such a request, or
  of ``start`` for another one.
* ``stop`` with ``instance``: answered by ``stopped``.
* ``inspect`` with ``variables``: run the inspector, where there is one; answered by ``inspected``.

In a sandbox with a display, Xvfb runs before the first Chromium, and is started again when it has
ended. All Chromiums are its clients then.

Events: ``ended`` when a Chromium ended, ``driven`` when one was started by chromedriver, and
``dropped`` with the arguments that a Chromium was not given.

Chromium runs as the same user, so a hijacked one could take this process over. It would gain
nothing but this connection, whose other side does not trust what it receives.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import re
import resource
import select
import signal
import socket
import stat
import sys
import time
from collections.abc import Callable
from typing import Any

PROXY_PORT = 1080
DRIVER_PORT = 9515
SHARED = 0  # the instance that connections without one of their own use
FIRST_DRIVEN = 1_000_000  # instances below are numbered by the gateway
WORK, TMP = "/work", "/tmp"  # noqa: S108 - memory file systems of the sandbox
CACHE = f"{WORK}/cache"  # of the shared Chromium, where the order wants it apart from its profile
CACHE_FOLDER = f"{CACHE}/Default/Cache/Cache_Data"  # what Chromium makes of that
SETTINGS = "/run/fyke/browser.json"
PROGRAM = "/run/fyke/chromium"  # the wrapper
INTERPRETER = "/usr/bin/python3"
SOCKET = "\0fyke-browser-host"  # where the wrapper reports; abstract names belong to the network
ENVIRONMENT = {
    "HOME": WORK,
    "LANG": "C.UTF-8",
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "TMPDIR": TMP,
}

DISPLAY, DISPLAY_SOCKETS = ":0", f"{TMP}/.X11-unix"
DISPLAY_PORT = 6000  # that of display 0, on which Xvfb does not listen
DISPLAY_OPTIONS = (
    *("-screen", "0", "1920x1080x24", "-nolisten", "tcp", "-noreset"),
    *("-extension", "GLX"),  # off; it would load a renderer of its own
)

DISPLAY_SECONDS = 4.0
START_SECONDS = 15.0
CLAIM_SECONDS = 30.0  # how long a Chromium started ahead waits when others are used
INSPECT_SECONDS = 20.0
STOP_SECONDS = 0.5  # between SIGTERM and SIGKILL
LOOK_SECONDS = 0.01
ACCEPT_SECONDS = 0.2
MAX_FRAME = 64 * 1024
MAX_ARGUMENTS, MAX_ARGUMENT = 64, 4096
MAX_PROGRAMS = 32
MAX_REPORT = 16 * 1024
MAX_PORT_FILE = 200
PORT_FILE = re.compile(r"(\d{1,5})\n(/devtools/browser/[0-9a-f-]{36})")
PR_SET_DUMPABLE = 4

Frame = dict[str, Any]


class RequestRefused(Exception):
    """The request cannot be fulfilled; the message says why."""


class Program:
    """A process that was started here, or a Chromium that chromedriver started. ``instance`` is -1
    for a process that is no Chromium; ``profile`` is its folder, ``ours`` whether we remove it.
    """

    def __init__(self, pid: int, instance: int, profile: str = "", *, ours: bool = True) -> None:
        self.unclaimed = False  # started ahead, and not asked for yet
        self.claim_by = 0.0  # when it ends if it is not asked for; 0: it waits
        self.pid = pid
        self.pidfd = os.pidfd_open(pid)
        self.instance = instance
        self.profile = profile
        self.ours = ours
        self.port = 0
        self.path = ""
        self.starts: list[Any] = []  # the numbers of the requests that wait for its port
        self.deadline = time.monotonic() + START_SECONDS
        self.kill_at = 0.0  # when SIGKILL follows SIGTERM
        self.stops: list[Any] = []  # the numbers of the requests to stop it

    def send(self, number: int) -> None:
        try:
            signal.pidfd_send_signal(self.pidfd, number)
        except OSError:
            return

    def kill(self) -> None:
        """Kill it, and its process group if we made one."""
        self.send(signal.SIGKILL)
        if self.ours:
            try:
                os.killpg(self.pid, signal.SIGKILL)
            except OSError:
                return


class Host:
    """The end of ``control`` is the end of the host; the frames go over ``channel``."""

    def __init__(
        self, control: socket.socket, channel: socket.socket, settings: dict[str, Any]
    ) -> None:
        self.control = control
        self.channel = channel
        self.settings = settings
        self.programs: dict[int, Program] = {}  # by pidfd
        self.driver: Program | None = None
        self.display: Program | None = None
        self.children: list[int] = []  # that nothing waits for
        self.inspection: tuple[Any, int, bytearray, float] | None = None
        self.reports = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.reports.bind(SOCKET)
        self.reports.listen(MAX_PROGRAMS)
        self.reports.settimeout(1.0)
        self.received = bytearray()
        self.profiles = 0
        self.driven = FIRST_DRIVEN
        self.null = os.open("/dev/null", os.O_RDWR)
        self.requests: dict[str, Callable[[Frame], None]] = {
            "start": self.start,
            "driver": self.start_driver,
            "stop": self.stop,
            "inspect": self.inspect,
        }

    # --- frames

    def send(self, frame: Frame) -> None:
        body = json.dumps(frame).encode()
        self.channel.sendall(len(body).to_bytes(4, "big") + body)

    def fail(self, number: Any, error: str) -> None:
        self.send({"type": "failed", "id": number, "error": error})

    def read(self) -> None:
        """Read what there is; raise ``EOFError`` at the end."""
        data = self.channel.recv(MAX_FRAME)
        if not data:
            raise EOFError
        self.received += data
        while len(self.received) >= 4:
            size = int.from_bytes(self.received[:4], "big")
            if size > MAX_FRAME:
                raise EOFError
            if len(self.received) < 4 + size:
                return
            frame = json.loads(bytes(self.received[4 : 4 + size]))
            del self.received[: 4 + size]
            self.answer(frame)

    def answer(self, frame: Frame) -> None:
        handler = self.requests.get(frame["type"])
        try:
            if handler is None:
                raise RequestRefused(f"there is no request {frame['type']!r:.80}")
            handler(frame)
        except (RequestRefused, OSError) as error:
            self.fail(frame["id"], str(error))

    # --- requests

    def start(self, frame: Frame) -> None:
        instance, arguments = frame.get("instance"), frame.get("arguments", [])
        if type(instance) is not int or not 0 <= instance < FIRST_DRIVEN:
            raise RequestRefused(
                f"instance {instance!r:.80}: must be a number from 0 to {FIRST_DRIVEN - 1}"
            )
        if (
            not isinstance(arguments, list)
            or len(arguments) > MAX_ARGUMENTS
            or not all(isinstance(a, str) and len(a) <= MAX_ARGUMENT for a in arguments)
        ):
            raise RequestRefused(
                f"arguments: must be at most {MAX_ARGUMENTS} texts, each of at most "
                f"{MAX_ARGUMENT} characters"
            )
        name = self.program_name(frame)
        if instance != SHARED:
            self.limit_waiting()
        found = next((p for p in self.programs.values() if p.instance == instance), None)
        if found is None:
            program = self.launch(name, arguments, instance)
        elif found.unclaimed and not arguments and name == self.settings["start"]:
            program = found
            program.unclaimed, program.claim_by = False, 0.0
        else:
            raise RequestRefused(f"instance {instance} is running")
        if program.port:
            self.started(program, frame["id"])
        else:
            program.starts.append(frame["id"])

    def start_ahead(self) -> None:
        """Start the shared Chromium, if that was ordered; the first request for it gets it."""
        name = self.settings["start"]
        if name in self.settings["programs"]:
            with contextlib.suppress(OSError, RequestRefused):  # the request tries again
                self.launch(name, [], SHARED).unclaimed = True

    def limit_waiting(self) -> None:
        """Let the Chromium that was started ahead wait only a while longer."""
        for program in self.programs.values():
            if program.unclaimed and not program.claim_by:
                program.claim_by = time.monotonic() + CLAIM_SECONDS

    def started(self, program: Program, number: Any) -> None:
        self.send({"type": "started", "id": number, **address(program)})

    def launch(self, name: str, arguments: list[str], instance: int) -> Program:
        self.check_room()
        self.profiles += 1
        profile = f"{WORK}/p{self.profiles}"
        environment = self.environment() | {"FYKE_PROGRAM": name, "FYKE_PROFILE": profile}
        if self.settings["cache"] and instance == SHARED:
            environment["FYKE_CACHE"] = CACHE
        command = [INTERPRETER, "-I", "-B", "-S", PROGRAM, *arguments]
        return self.run(command, environment, instance, profile)

    def environment(self) -> dict[str, str]:
        """The variables of a Chromium, once its display is there. Raise ``RequestRefused``."""
        if not self.settings["display"]:
            return ENVIRONMENT
        if self.display is None:
            self.start_display()
        return ENVIRONMENT | {"DISPLAY": DISPLAY}

    def start_display(self) -> None:
        """Start Xvfb, and wait until it accepts clients: requests wait meanwhile."""
        with contextlib.suppress(FileExistsError):  # Xvfb makes it only as root
            os.mkdir(DISPLAY_SOCKETS)  # noqa: PTH102
        os.chmod(DISPLAY_SOCKETS, 0o1777)  # noqa: PTH101, S103 - as Xvfb wants it
        reader, writer = os.pipe()
        command = [self.settings["display"], DISPLAY, "-displayfd", "3", *DISPLAY_OPTIONS]
        try:
            display = self.run(command, ENVIRONMENT, -1, passed=writer)
        finally:
            os.close(writer)
        try:
            if not reads_line(reader, DISPLAY_SECONDS):
                display.kill()
                raise RequestRefused("the virtual display did not start")
        finally:
            os.close(reader)
        display.port = DISPLAY_PORT
        self.display = display

    def program_name(self, frame: Frame) -> str:
        name = frame.get("program", "headless-shell")
        if name not in self.settings["programs"]:
            raise RequestRefused(
                f"program {name!r:.80}: this machine has {', '.join(self.settings['programs'])}"
            )
        return str(name)

    def check_room(self) -> None:
        if len(self.programs) >= MAX_PROGRAMS:
            raise RequestRefused(f"{MAX_PROGRAMS} programs are running")

    def run(
        self,
        command: list[str],
        environment: dict[str, str],
        instance: int,
        profile: str = "",
        passed: int | None = None,
    ) -> Program:
        """``passed`` becomes descriptor 3 of the program."""
        # what chromedriver and Xvfb write to standard output is no cause of an end
        output = self.null if instance < 0 else 2
        actions = [(os.POSIX_SPAWN_DUP2, self.null, 0), (os.POSIX_SPAWN_DUP2, output, 1)]
        if passed is not None:
            actions.append((os.POSIX_SPAWN_DUP2, passed, 3))
        pid = os.posix_spawn(
            command[0],
            command,
            environment,
            file_actions=actions,
            setpgroup=0,
            setsigdef=[signal.SIGPIPE, signal.SIGXFSZ],
        )
        program = Program(pid, instance, profile)
        self.programs[program.pidfd] = program
        return program

    def start_driver(self, frame: Frame) -> None:
        if not self.settings["driver"]:
            raise RequestRefused("this machine has no chromedriver")
        self.limit_waiting()
        if self.driver is not None and self.driver.port:
            self.send({"type": "driver", "id": frame["id"], "port": self.driver.port})
            return
        if self.driver is None:
            self.check_room()
            command = [self.settings["driver"], f"--port={DRIVER_PORT}", "--log-level=WARNING"]
            environment = self.environment() | {"FYKE_PROGRAM": self.program_name(frame)}
            self.driver = self.run(command, environment, -1)
        self.driver.starts.append(frame["id"])

    def stop(self, frame: Frame) -> None:
        for program in self.programs.values():
            if program.instance == frame.get("instance") and program.instance >= 0:
                program.stops.append(frame["id"])
                if not program.kill_at:
                    program.kill_at = time.monotonic() + STOP_SECONDS
                    program.send(signal.SIGTERM)
                return
        self.send({"type": "stopped", "id": frame["id"]})

    def inspect(self, frame: Frame) -> None:
        if not self.settings["inspector"]:
            raise RequestRefused("this sandbox has no inspector")
        if self.inspection is not None:
            raise RequestRefused("the inspector is running")
        reader, writer = os.pipe()
        inspector = os.posix_spawn(
            INTERPRETER,
            [INTERPRETER, "-I", "-B", self.settings["inspector"]],
            ENVIRONMENT | frame["variables"],
            file_actions=[
                (os.POSIX_SPAWN_DUP2, self.null, 0),
                (os.POSIX_SPAWN_DUP2, writer, 1),
            ],
            setpgroup=0,
        )
        os.close(writer)
        self.children.append(inspector)
        deadline = time.monotonic() + INSPECT_SECONDS
        self.inspection = (frame["id"], reader, bytearray(), deadline)

    def read_inspection(self) -> None:
        if self.inspection is None:
            return
        number, reader, output, _ = self.inspection
        data = os.read(reader, MAX_FRAME)
        if data and len(output) < MAX_FRAME:
            output += data
            return
        os.close(reader)
        self.inspection = None
        self.send({"type": "inspected", "id": number, "output": output.decode("ascii", "replace")})

    # --- what happens inside

    def ended(self, program: Program) -> None:
        """Clean up after a program that has ended."""
        del self.programs[program.pidfd]
        os.close(program.pidfd)
        status = None  # that of a Chromium of chromedriver is known to chromedriver only
        if program.ours:
            program.kill()  # its group; the number stays taken until it is waited for
            _, code = os.waitpid(program.pid, 0)
            status = os.waitstatus_to_exitcode(code)
        if program is self.driver:
            self.driver = None
        elif program is self.display:
            self.display = None
        elif program.ours and program.profile:  # the next one starts without its profile
            with contextlib.suppress(OSError):  # too many processes; it ends with the sandbox
                remover = os.posix_spawn("/usr/bin/rm", ["rm", "-rf", program.profile], {})
                self.children.append(remover)
        for number in program.starts:
            self.fail(number, f"the program ended with status {status}")
        if program.port and program.instance >= 0 and not program.unclaimed:
            self.send({"type": "ended", "instance": program.instance, "status": status})
        for number in program.stops:
            self.send({"type": "stopped", "id": number})

    def report(self) -> None:
        """Read the report of a wrapper: the profile of the Chromium that it becomes, and the
        arguments that it dropped.
        """
        connection, _ = self.reports.accept()
        with connection:
            connection.settimeout(1.0)
            credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
            pid = int.from_bytes(credentials[:4], sys.byteorder)
            data = b""
            while part := connection.recv(MAX_REPORT - len(data)):
                data += part
        message = json.loads(data)
        profile, dropped = message["profile"], message["dropped"]
        program = next((p for p in self.programs.values() if p.pid == pid and p.ours), None)
        if program is None:
            if len(self.programs) >= MAX_PROGRAMS or not isinstance(profile, str):
                return
            program = Program(pid, self.driven, profile, ours=False)
            self.programs[program.pidfd] = program
            self.driven += 1
        if dropped and all(isinstance(name, str) for name in dropped):
            self.send({"type": "dropped", "instance": program.instance, "arguments": dropped})

    def look(self) -> None:
        """Find the ports of programs that are starting; end what takes too long."""
        now = time.monotonic()
        self.children = [pid for pid in self.children if os.waitpid(pid, os.WNOHANG)[0] == 0]
        for program in list(self.programs.values()):
            if program.kill_at and now >= program.kill_at:
                program.kill()
            elif program.claim_by and now >= program.claim_by:
                program.instance, program.claim_by = -1, 0.0  # a request starts another one
                program.kill()
            elif not program.port:
                self.look_for_port(program, now)
        if self.inspection is not None and now >= self.inspection[3]:
            number, reader, _, _ = self.inspection
            os.close(reader)
            self.inspection = None
            self.fail(number, "the inspector did not end in time")

    def look_for_port(self, program: Program, now: float) -> None:
        if program is self.driver:
            if accepts(DRIVER_PORT):
                program.port = DRIVER_PORT
                for number in program.starts:
                    self.send({"type": "driver", "id": number, "port": DRIVER_PORT})
                program.starts.clear()
                return
        elif (found := read_port(program.profile)) is not None:
            program.port, program.path = found
            for number in program.starts:
                self.started(program, number)
            if not program.ours:
                self.send({"type": "driven", **address(program)})
            program.starts.clear()
            return
        if now >= program.deadline:
            for number in program.starts:
                self.fail(number, f"no port was opened within {START_SECONDS:.0f} s")
            program.starts.clear()
            program.kill()
            program.deadline = now + START_SECONDS

    def pause(self) -> float | None:
        """The time until something has to be looked for, in ms; None: there is nothing."""
        if (
            self.children
            or self.inspection
            or any(not p.port or p.kill_at for p in self.programs.values())
        ):
            return LOOK_SECONDS * 1000
        ends = [p.claim_by for p in self.programs.values() if p.claim_by]
        return max(0.0, min(ends) - time.monotonic()) * 1000 if ends else None

    def step(self) -> None:
        """Wait for the next thing that happens, and handle it."""
        poll = select.poll()
        ours = (self.control, self.channel, self.reports)
        for number in (*(sock.fileno() for sock in ours), *self.programs):
            poll.register(number, select.POLLIN)
        if self.inspection is not None:
            poll.register(self.inspection[1], select.POLLIN)
        for number, _ in poll.poll(self.pause()):
            self.handle(number)
        self.look()

    def handle(self, descriptor: int) -> None:
        if descriptor == self.control.fileno():
            raise EOFError  # nothing comes here but its end
        if descriptor == self.channel.fileno():
            self.read()
        elif descriptor == self.reports.fileno():
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
                self.report()  # an error: it was no wrapper
        elif descriptor in self.programs:
            self.ended(self.programs[descriptor])
        else:
            self.read_inspection()


def address(program: Program) -> Frame:
    return {"instance": program.instance, "port": program.port, "path": program.path}


def read_port(profile: str) -> tuple[int, str] | None:
    """The port and the path from the file that Chromium writes; None before it is complete."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        file = os.open(f"{profile}/DevToolsActivePort", flags)
    except OSError:
        return None
    try:
        data = os.read(file, MAX_PORT_FILE) if stat.S_ISREG(os.fstat(file).st_mode) else b""
    finally:
        os.close(file)
    match = PORT_FILE.fullmatch(data.decode("ascii", "replace"))
    if match is None or not 0 < int(match[1]) < 65536:
        return None
    return int(match[1]), match[2]


def reads_line(reader: int, seconds: float) -> bool:
    """Whether a line arrives on a pipe in time. Its parts may come alone."""
    deadline, data = time.monotonic() + seconds, b""
    while not data.endswith(b"\n"):
        readable, _, _ = select.select([reader], [], [], max(0.0, deadline - time.monotonic()))
        part = os.read(reader, 16) if readable else b""
        if not part:
            return False
        data += part
    return True


def accepts(port: int) -> bool:
    """Whether the port accepts connections."""
    with socket.socket() as connection:
        connection.settimeout(ACCEPT_SECONDS)
        return connection.connect_ex(("127.0.0.1", port)) == 0


def fill_cache(saved: int, folder: str = CACHE_FOLDER) -> None:
    """Copy the files of a saved cache and close it; after a fault the cache is empty."""
    names: list[str] = []
    try:
        os.makedirs(folder)  # noqa: PTH103 - pathlib takes longer to import
        length = int.from_bytes(os.pread(saved, 8, 0), "big")
        at = 8 + length
        for name, size in json.loads(os.pread(saved, length, 8)):
            names.append(name)
            copy_part(saved, at, size, f"{folder}/{name}")
            at += size
    except (OSError, ValueError):  # no room, or not what was saved
        for name in names:
            with contextlib.suppress(OSError):
                os.unlink(f"{folder}/{name}")  # noqa: PTH108
    finally:
        os.close(saved)


def copy_part(source: int, at: int, size: int, path: str) -> None:
    """Write ``size`` bytes of ``source`` from ``at`` on to a new file."""
    target = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        while size:
            sent = os.sendfile(target, source, at, size)
            if not sent:
                raise ValueError("the saved cache is shorter than its list says")
            at, size = at + sent, size - sent
    finally:
        os.close(target)


def set_limits(limits: list[list[int]]) -> None:
    """Set the resource limits of this process and all that it starts."""
    for limit, value in [*limits, [resource.RLIMIT_CORE, 0]]:
        try:
            resource.setrlimit(limit, (value, value))
        except ValueError:
            hard = resource.getrlimit(limit)[1]
            raise SystemExit(
                f"the hard limit of resource {limit} is {hard}, and {value} is needed (ulimit)"
            ) from None


def hide() -> None:
    """Close the memory of this process to others of the same user."""
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def tcp_socket() -> socket.socket:
    return socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)


def listener(port: int) -> socket.socket:
    server = tcp_socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(("127.0.0.1", port))
    server.listen(128)
    return server


def send_ends(control: socket.socket) -> None:
    """Pass the listener of the proxy port out, and the two memory file systems, to measure them."""
    folders = [os.open(path, os.O_PATH | os.O_DIRECTORY) for path in (WORK, TMP)]
    with listener(PROXY_PORT) as proxy:
        socket.send_fds(control, [b"ready"], [proxy.fileno(), *folders])
    for folder in folders:
        os.close(folder)


def open_channel(control: socket.socket) -> socket.socket:
    """Pass the other end of a connection out, and with it a listener and a client with which the
    gateway makes further sockets of this network. No copy of them remains here. Return our end.
    """
    channel = tcp_socket()
    with listener(0) as server, tcp_socket() as client:
        channel.connect(server.getsockname())
        theirs, _ = server.accept()
        with theirs:
            for end in (channel, theirs):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            numbers = [theirs.fileno(), server.fileno(), client.fileno()]
            socket.send_fds(control, [b"sockets"], numbers)
    return channel


def main() -> None:
    number, *saved = map(int, sys.argv[1:])
    for inherited in (number, *saved):
        os.set_inheritable(inherited, False)
    control = socket.socket(fileno=number)
    with open(SETTINGS, "rb") as file:  # noqa: PTH123
        settings = json.load(file)
    set_limits(settings["limits"])
    os.umask(0o077)
    for cache in saved:
        fill_cache(cache)
    send_ends(control)
    host = Host(control, open_channel(control), settings)
    if not settings["inspector"]:  # which the host inspects too, by the rights of the same user
        hide()
    host.start_ahead()
    try:
        while True:
            host.step()
    except (EOFError, BrokenPipeError, ConnectionResetError):
        os._exit(0)


if __name__ == "__main__":
    main()
