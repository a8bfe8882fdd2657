"""The first process inside a sandbox; it becomes the Worker.

Runs as ``/usr/bin/python3 -I -B -S shim.pyc CONTROL_FD`` on any version of Python that the machine
has. So it is one file, and it imports only modules that are compiled into the interpreter (no
pathlib), which halves the time to start. Until it executes the Worker, no code of the Worker runs.

1. Bind the fixed ports on the loopback of this network namespace and pass the listening sockets
   out. A socket stays in the namespace that it was created in, so the platform serves from outside.
2. Wait for the job, or end when the platform closes the control socket.
3. Copy the bundle to the work folder, set limits, execute the Worker. The control socket closes
   on exec, which means success to the platform; a message on it means failure.

Most Python Workers start without it: their interpreter does the same, see ``interpreter_start``.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import _socket
import os
import sys

PORTS = (20086, 1080, 9222, 6000)  # sdk, proxy, cdp, proxy6000: the order that ``isolated`` expects
BUNDLE, WORK = "/bundle", "/work"
LENGTH_BYTES = 4
CHUNK = 1 << 20


def open_control(number: int) -> _socket.socket:
    """The control socket, which closes on exec from now on."""
    os.set_inheritable(number, False)
    return _socket.socket(fileno=number)


def has_job(control: _socket.socket) -> bool:
    """Whether a job can be read, or the socket was closed."""
    try:
        control.recv(1, _socket.MSG_PEEK | _socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    return True


def listen(port: int) -> _socket.socket:
    # the protocol is named, because event loops switch off Nagle's delay only then
    server = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM, _socket.IPPROTO_TCP)
    server.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
    server.bind(("127.0.0.1", port))
    server.listen(128)
    return server


def send_listeners(control: _socket.socket) -> None:
    """Send the listeners to the platform and close our copies."""
    servers = [listen(port) for port in PORTS]
    numbers = b"".join(server.fileno().to_bytes(4, sys.byteorder) for server in servers)
    control.sendmsg([b"ready"], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, numbers)])
    for server in servers:
        server.close()


def read_job(control: _socket.socket) -> list[tuple[str, str]]:
    """The items of the job, as ``_encode`` in ``isolated`` writes them; empty when the platform
    has closed the socket.
    """
    data = bytearray()
    while len(data) < LENGTH_BYTES or len(data) < LENGTH_BYTES + int.from_bytes(data[:4], "big"):
        part = control.recv(1 << 16)
        if not part:
            return []
        data += part
    items = os.fsdecode(bytes(data[LENGTH_BYTES:])).split("\0")
    return [(item[0], item[2:]) for item in items]


def copy_file(source: str, target: str, executable: bool) -> None:
    """Copy the content; never a hard link, because the Worker may write to its copy."""
    mode = 0o755 if executable else 0o644
    reader = os.open(source, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    writer = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    while os.sendfile(writer, reader, None, CHUNK):
        pass
    os.close(reader)
    os.close(writer)


def copy_tree(source: str, target: str) -> None:
    """Copy folders and regular files; anything else is skipped, and no bundle contains it."""
    pending = [(source, target)]
    while pending:
        folder, copy = pending.pop()
        with os.scandir(folder) as entries:
            for entry in entries:
                path = f"{copy}/{entry.name}"
                if entry.is_dir(follow_symlinks=False):
                    os.mkdir(path, 0o755)  # noqa: PTH102
                    pending.append((entry.path, path))
                elif entry.is_file(follow_symlinks=False):
                    runnable = entry.stat(follow_symlinks=False).st_mode & 0o111 != 0
                    copy_file(entry.path, path, runnable)


def write_file(path: str, text: str) -> None:
    """Create a file of a tool, and its parent folders."""
    parent = path.rpartition("/")[0]
    if parent:
        os.makedirs(parent, 0o755, exist_ok=True)  # noqa: PTH103
    target = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    content = memoryview(os.fsencode(text))
    while content:
        content = content[os.write(target, content) :]
    os.close(target)


def set_limit(number: int, value: int) -> None:
    import resource

    try:
        resource.setrlimit(number, (value, value))
    except ValueError:
        names = {
            resource.RLIMIT_NOFILE: "of open files (ulimit -n)",
            resource.RLIMIT_FSIZE: "of the file size in bytes (ulimit -f)",
            resource.RLIMIT_NPROC: "of processes (ulimit -u)",
        }
        hard = resource.getrlimit(number)[1]
        raise ValueError(
            f"the hard limit {names.get(number, number)} is {hard}, and {value} is needed"
        ) from None


def prepare(job: list[tuple[str, str]]) -> None:
    """Set up the work folder, standard input and limits. A failure here is the platform's."""
    os.umask(0o022)
    os.chdir(WORK)
    nothing = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
    os.dup2(nothing, 0)
    os.close(nothing)
    for kind, text in job:
        if kind == "c":
            copy_tree(BUNDLE, WORK)
        elif kind == "d":
            os.makedirs(text, 0o755, exist_ok=True)  # noqa: PTH103
        elif kind == "f":
            path, _, content = text.partition("=")
            write_file(path, content)
        elif kind == "x":
            os.chmod(text, 0o755)  # noqa: PTH101, S103
        elif kind == "r":
            number, _, value = text.partition("=")
            set_limit(int(number), int(value))


def default_signals() -> None:
    """Restore ignored signals, which exec would keep: SIGPIPE and SIGXFSZ are ignored by Python,
    SIGHUP by ``nohup``.
    """
    for number in set(range(1, _signal.NSIG)) - {_signal.SIGKILL, _signal.SIGSTOP}:
        if _signal.getsignal(number) == _signal.SIG_IGN:
            _signal.signal(number, _signal.SIG_DFL)


def execute(job: list[tuple[str, str]]) -> None:
    """Execute the Worker. A program that cannot be executed is the Worker's fault, so the message
    goes to its standard error.
    """
    arguments = [text for kind, text in job if kind == "a"]
    environment = dict(text.split("=", 1) for kind, text in job if kind == "e")
    default_signals()
    try:
        os.execve(arguments[0], arguments, environment)  # noqa: S606
    except OSError as error:
        os.write(2, f"cannot start {arguments[0]}: {error.strerror}\n".encode())
        os._exit(127 if isinstance(error, FileNotFoundError) else 126)


def main() -> None:
    control = open_control(int(sys.argv[1]))
    send_listeners(control)
    job = read_job(control)
    if not job:
        os._exit(0)
    try:
        prepare(job)
    except (OSError, ValueError) as error:
        control.send(f"cannot prepare the sandbox: {error}".encode())
        os._exit(1)
    execute(job)


if __name__ == "__main__":
    main()
