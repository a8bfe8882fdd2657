"""The first process inside a sandbox; it becomes the Worker.

Runs as ``/usr/bin/python3 -I -B -S shim.pyc CONTROL_FD`` on any version of Python that the machine
has. So it is one file, and it imports only modules that are compiled into the interpreter, such as
``posix`` instead of ``os``, which halves the time to start. Until it executes the Worker, no code
of the Worker runs.

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
import posix
import sys

PORTS = (20086, 1080, 9222, 6000)  # sdk, proxy, cdp, proxy6000: the order that ``isolated`` expects
BUNDLE, WORK = "/bundle", "/work"
LENGTH_BYTES = 4
CHUNK = 1 << 20
_ENCODING = sys.getfilesystemencoding(), "surrogateescape"


def open_control(number: int) -> _socket.socket:
    """The control socket, which closes on exec from now on."""
    posix.set_inheritable(number, False)
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
    items = data[LENGTH_BYTES:].decode(*_ENCODING).split("\0")
    return [(item[0], item[2:]) for item in items]


def copy_file(source: str, target: str, executable: bool) -> None:
    """Copy the content; never a hard link, because the Worker may write to its copy."""
    mode = 0o755 if executable else 0o644
    reader = posix.open(source, posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NOFOLLOW)
    writer = posix.open(
        target, posix.O_WRONLY | posix.O_CREAT | posix.O_EXCL | posix.O_CLOEXEC, mode
    )
    while posix.sendfile(writer, reader, None, CHUNK):
        pass
    posix.close(reader)
    posix.close(writer)


def copy_tree(source: str, target: str) -> None:
    """Copy folders and regular files; anything else is skipped, and no bundle contains it."""
    pending = [(source, target)]
    while pending:
        folder, copy = pending.pop()
        with posix.scandir(folder) as entries:
            for entry in entries:
                path = f"{copy}/{entry.name}"
                if entry.is_dir(follow_symlinks=False):
                    posix.mkdir(path, 0o755)
                    pending.append((entry.path, path))
                elif entry.is_file(follow_symlinks=False):
                    runnable = entry.stat(follow_symlinks=False).st_mode & 0o111 != 0
                    copy_file(entry.path, path, runnable)


def make_folders(path: str) -> None:
    import os  # only tools need it

    os.makedirs(path, 0o755, exist_ok=True)  # noqa: PTH103


def write_file(path: str, text: str) -> None:
    """Create a file of a tool, and its parent folders."""
    parent = path.rpartition("/")[0]
    if parent:
        make_folders(parent)
    target = posix.open(
        path, posix.O_WRONLY | posix.O_CREAT | posix.O_EXCL | posix.O_CLOEXEC, 0o644
    )
    content = memoryview(text.encode(*_ENCODING))
    while content:
        content = content[posix.write(target, content) :]
    posix.close(target)


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
    posix.umask(0o022)
    posix.chdir(WORK)
    nothing = posix.open("/dev/null", posix.O_RDONLY | posix.O_CLOEXEC)
    posix.dup2(nothing, 0)
    posix.close(nothing)
    for kind, text in job:
        if kind == "c":
            copy_tree(BUNDLE, WORK)
        elif kind == "d":
            make_folders(text)
        elif kind == "f":
            path, _, content = text.partition("=")
            write_file(path, content)
        elif kind == "x":
            posix.chmod(text, 0o755)
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
        posix.execve(arguments[0], arguments, environment)
    except OSError as error:
        posix.write(2, f"cannot start {arguments[0]}: {error.strerror}\n".encode())
        posix._exit(127 if isinstance(error, FileNotFoundError) else 126)


def main() -> None:
    control = open_control(int(sys.argv[1]))
    send_listeners(control)
    job = read_job(control)
    if not job:
        posix._exit(0)
    try:
        prepare(job)
    except (OSError, ValueError) as error:
        control.send(f"cannot prepare the sandbox: {error}".encode())
        posix._exit(1)
    execute(job)


if __name__ == "__main__":
    main()
