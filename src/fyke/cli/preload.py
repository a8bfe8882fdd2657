"""The preload process: imports the modules of the roles once, and forks each role.

The first one is a fork of the supervisor before its event loop, so that both share the modules of
asyncio; later ones are started by the supervisor as ``python -m fyke.cli.preload --parent PID
--control FD``. It runs no event loop and no thread, opens no file and reads no setting, because
every role would inherit them. One request is one packet on the control socket, ``{"task": ...}``
(of a role also ``"name"``) with the standard error of the new process and its other descriptors;
the answer is ``{"pid"}`` or ``{"error"}``.

A forked process becomes a child of the supervisor, not of this one: it is forked twice, and the
supervisor adopts orphans. So it outlives the preload process, and the supervisor sees its end.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import socket
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fyke.cli.errors import report, run_command
from fyke.cli.handover import accept_signals
from fyke.kit.prctl import end_with_parent, rename_process

if TYPE_CHECKING:
    from fyke.app.roles import RoleName
    from fyke.settings import Settings

PACKET = 4096
MAX_DESCRIPTORS = 4  # standard error; of a role: its reports, settings, and listening socket
PREPARE, FIRST_JOB = "prepare", "first-job"
_CONTROL = 3  # the descriptor of the control socket in a fork of the supervisor


@dataclass(frozen=True, slots=True)
class ForkRequest:
    """The task of a forked process, and its descriptors."""

    task: str
    details: dict[str, Any] = field(default_factory=dict)
    descriptors: tuple[int, ...] = ()


def main() -> None:
    """Fork until the supervisor closes the socket; a forked process runs its task."""
    import argparse

    parser = argparse.ArgumentParser()
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--control", type=int, required=True)
    options = parser.parse_args()
    _preload_and_serve(options.control, options.parent)


def main_of_fork(control: int, supervisor: int) -> None:
    """Become the preload process, in a fork of the supervisor with nothing but its modules."""
    os.setsid()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(control, _CONTROL)
    # not ``os.closerange`` up to the limit, which may be a billion calls
    for file in list(Path("/proc/self/fd").iterdir()):
        if int(file.name) > _CONTROL:
            with contextlib.suppress(OSError):  # that of the list itself
                os.close(int(file.name))
    rename_process(["fyke", "-m", "fyke.cli.preload"])
    accept_signals()
    _preload_and_serve(_CONTROL, supervisor)


def _preload_and_serve(control_number: int, supervisor: int) -> None:
    end_with_parent(supervisor)
    gc.disable()  # a collection would cause copies of shared pages in every role
    preload()
    gc.freeze()
    with socket.socket(fileno=control_number) as control:
        control.set_inheritable(False)
        request = serve(control, supervisor)
    if request is not None:
        gc.enable()
        run_command(lambda: run(request))


def preload() -> None:
    """Import the modules of the roles, which must not start threads or open files. Those of the
    gateway and of the role ``browser`` are left out: few installations have one, and many never
    need the other. A node has no server, and no role that reads settings, whose modules take 9 MiB.
    """
    _import_structlog_without_rich()
    import uvloop  # noqa: F401

    import fyke.app.egress
    import fyke.telemetry.logging

    if _is_node():
        import fyke.app.node
    else:
        import fyke.app.prepare
        import fyke.app.runner_role
        import fyke.app.server
        import fyke.cli.settings  # noqa: F401


def _is_node() -> bool:
    from fyke.app.folder import is_node

    home = os.environ.get("FYKE_HOME")
    return is_node(Path(home)) if home else False


def _import_structlog_without_rich() -> None:
    """Structlog would import rich, 3 MiB for a console output that no role uses."""
    if "rich" in sys.modules:
        return
    sys.modules["rich"] = None  # type: ignore[assignment]
    try:
        import structlog  # noqa: F401
    finally:
        del sys.modules["rich"]


def serve(control: socket.socket, supervisor: int) -> ForkRequest | None:
    """Fork a process for each request. Returns the request in every new process, and None in this
    process when the supervisor has closed ``control``.
    """
    while True:
        data, descriptors, _, _ = socket.recv_fds(control, PACKET, MAX_DESCRIPTORS)
        if not data:
            return None
        request = json.loads(data)
        fork_request = ForkRequest(request.pop("task"), request, tuple(descriptors))
        try:
            pid = _fork_twice()
        except OSError as error:
            answer: dict[str, Any] = {"error": f"cannot fork: {error}"}
        else:
            if not pid:
                _detach(fork_request, supervisor)
                return fork_request
            answer = {"pid": pid}
        try:
            control.send(json.dumps(answer).encode())
        except BrokenPipeError:  # the supervisor was stopped and waits for no answer
            return None
        for descriptor in descriptors:
            os.close(descriptor)


def _fork_twice() -> int:
    """Fork a process that is the supervisor's child; return its pid, and 0 in the new process.

    The new process returns when the intermediate process has ended and its parent is final.
    """
    go_read, go_write = os.pipe()
    pid_read, pid_write = os.pipe()
    intermediate = os.fork()
    if not intermediate:
        _fork_again(pid_write)
        os.close(go_write)
        os.close(pid_read)
        with os.fdopen(go_read, "rb") as go:
            if not go.read():
                os._exit(1)  # the preload process has ended in the meantime
        return 0
    os.close(go_read)
    os.close(pid_write)
    with os.fdopen(pid_read, "rb") as answer, os.fdopen(go_write, "wb") as go:
        pid = int(answer.read() or 0)
        os.waitpid(intermediate, 0)
        if not pid:
            raise BlockingIOError("the machine allows no more processes")
        go.write(b"g")
    return pid


def _fork_again(pid_write: int) -> None:
    """Report the pid of another process and end; return in that process."""
    try:
        pid = os.fork()
    except OSError:
        os._exit(1)
    if pid:
        os.write(pid_write, str(pid).encode())
        os._exit(0)
    os.close(pid_write)


def _detach(request: ForkRequest, supervisor: int) -> None:
    """Set up the session, parent, standard error and name of a forked process."""
    os.setsid()
    end_with_parent(supervisor)
    os.dup2(request.descriptors[0], sys.stderr.fileno())
    os.close(request.descriptors[0])
    for descriptor in request.descriptors[1:]:
        os.set_inheritable(descriptor, False)
    arguments = ("up",) if request.task in (PREPARE, FIRST_JOB) else ("serve", "--role")
    rename_process(["fyke", *arguments, request.details.get("name", request.task)])


def run(request: ForkRequest) -> None:
    """Run the task of ``request``. Raises ``SystemExit``."""
    if request.task not in (PREPARE, FIRST_JOB):
        _run_role(request)
        return
    from fyke.cli.settings import load_settings

    settings = load_settings()
    if request.task == PREPARE:
        _prepare(settings, **request.details)
    else:
        from fyke.cli.first_job import first_job

        sys.exit(first_job(settings, **request.details))


def _run_role(request: ForkRequest) -> None:
    """Run a role with the settings of the environment, or with those that were stored, if it needs
    no others.
    """
    from fyke.app.roles import RoleName, run_role
    from fyke.telemetry.logging import configure

    _, reports, file, *listeners = request.descriptors
    role, name = RoleName(request.task), request.details["name"]
    settings = _settings_of(role, file)
    os.close(file)
    configure(name, settings.log_level)
    listener = socket.socket(fileno=listeners[0]) if listeners else None
    run_role(role, settings, listener, socket.socket(fileno=reports), name)


def _settings_of(role: RoleName, file: int) -> Settings:
    from fyke.app.role_settings import stored
    from fyke.app.roles import RoleName

    if role in (RoleName.EGRESS, RoleName.BROWSER) or _is_node():
        return stored(file)
    from fyke.cli.settings import load_settings

    return load_settings()


def _prepare(settings: Settings, base: str, supervisor: int, change_settings: bool = False) -> None:
    """Create schema and first account, and write the server's URL to the data folder."""
    from fyke.app.folder import write_private
    from fyke.app.prepare import prepare
    from fyke.cli.listening import check_exposure
    from fyke.telemetry.logging import configure

    configure(PREPARE, settings.log_level)
    prepare(settings, report, change=change_settings)
    check_exposure(settings)
    write_private(settings.server_file, json.dumps({"url": base, "pid": supervisor}))


if __name__ == "__main__":
    main()
