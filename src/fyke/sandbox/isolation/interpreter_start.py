"""Loaded first by the Python interpreter of a sandbox, as its ``sitecustomize``.

The interpreter is the first process of the sandbox, and does what the shim does in others. It is
started exactly as for a Worker (``python main.py`` in ``/work``), before the job is known. It loads
the modules of the standard library that the SDK imports, waits here for the job, copies the bundle
and returns: the interpreter then reads ``main.py`` as always. So ``__main__``, ``sys.argv``,
tracebacks, child processes and the exit are those of an interpreter that the shim executes.

Nothing of the version has run by then. The bundle is copied with the job, and with an environment
that has startup code (``.pth`` files with imports) the shim is the first process. The bytecode of
``sdk.py`` is written where an import looks for it. That of Fyke's own SDK is at hand; another one
is compiled only where the sandbox waits for an attempt, which does not execute it.

A job that a running interpreter cannot take on replaces it with a new one: some variables are read
at the start of a process, and a module of the Worker may have the name of one that is loaded.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from socket import socket
    from typing import NoReturn

FOLDER = "/run/fyke"  # of this file and of the shim
CONTROL, IDLE = "FYKE_CONTROL", "FYKE_IDLE"  # variables of this process until the job
MODULES = ("json", "os", "socket", "threading", "time", "resource")
SDK = "sdk"
MAX_SDK_BYTES = 1 << 18
# Read when a process starts, or by the C library at any time from its own copy.
STARTUP_PREFIXES = ("PYTHON", "LD_", "LC_", "GLIBC_", "MALLOC_", "_RJEM_MALLOC_")
STARTUP_NAMES = frozenset(
    {"GCONV_PATH", "LANG", "LANGUAGE", "LOCPATH", "NLSPATH", "OPENSSL_CONF", "TZ", "TZDIR"}
)


def needs_new_process(
    before: dict[str, str], after: dict[str, str], loaded: set[str], names: list[str]
) -> bool:
    """Whether the job needs a new interpreter. ``before`` and ``after`` are the variables of the
    process and of the job, ``loaded`` the modules that were loaded ahead, ``names`` the entries of
    the work folder.
    """
    changed = {name for name, value in after.items() if before.get(name) != value}
    if any(name in STARTUP_NAMES or name.startswith(STARTUP_PREFIXES) for name in changed):
        return True
    if ".local" in names:  # may have packages of the user, which are looked for at the start
        return True
    return not loaded.isdisjoint(name.partition(".")[0] for name in names)


def load_ahead(is_late: Callable[[], bool] = lambda: False) -> None:
    """Load the modules, or as many as there is time for."""
    for name in MODULES:
        if is_late():
            break
        __import__(name)


def loaded_since(before: set[str]) -> set[str]:
    """The names of the modules that were loaded since ``before``, submodules by their packages."""
    return {name.partition(".")[0] for name in set(sys.modules) - before - {"shim"}}


def sdk_bytecode(bundle: str, own: str, *, may_compile: bool) -> bytes | None:
    """The bytecode of the bundle's SDK, which an import checks against the hash of the source; None
    without a usable one. ``own`` is the file with that of Fyke's own SDK.
    """
    import _frozen_importlib_external as machinery
    import _imp
    import marshal

    try:
        with open(f"{bundle}/{SDK}.py", "rb") as file:  # noqa: PTH123 - pathlib takes long to load
            source = file.read(MAX_SDK_BYTES + 1)
        if len(source) > MAX_SDK_BYTES:
            return None
        number = int.from_bytes(machinery.MAGIC_NUMBER, "little")
        source_hash = _imp.source_hash(number, source)
        head = machinery.MAGIC_NUMBER + bytes((3, 0, 0, 0)) + source_hash
        with open(own, "rb") as file:  # noqa: PTH123
            bytecode = file.read()
        if bytecode.startswith(head):
            return bytecode
        if not may_compile:
            return None
        return head + marshal.dumps(compile(source, f"/work/{SDK}.py", "exec", dont_inherit=True))
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def write_bytecode(work: str, bytecode: bytes | None) -> None:
    """Write the bytecode of the SDK as an import of it would."""
    if bytecode is None or sys.dont_write_bytecode or sys.implementation.cache_tag is None:
        return
    try:
        folder = f"{work}/__pycache__"
        os.makedirs(folder, 0o755, exist_ok=True)  # noqa: PTH103
        path = f"{folder}/{SDK}.{sys.implementation.cache_tag}.pyc"
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        with open(number, "wb") as file:  # noqa: PTH123
            file.write(bytecode)
    except OSError:  # a full disk, for example: an import compiles the source
        return


def reset_signals() -> None:
    """Handle the signals that this process inherited as ignored, such as SIGHUP from ``nohup``, as
    an interpreter does that inherited none. Python itself ignores SIGPIPE and SIGXFSZ.
    """
    import _signal  # type: ignore[import-not-found]

    for number in set(range(1, _signal.NSIG)) - {_signal.SIGPIPE, _signal.SIGXFSZ}:
        if _signal.getsignal(number) == _signal.SIG_IGN:
            is_interrupt = number == _signal.SIGINT
            _signal.signal(number, _signal.default_int_handler if is_interrupt else _signal.SIG_DFL)


def replace_variables(variables: dict[str, str]) -> None:
    """Set the variables of this process."""
    for name in set(os.environ) - variables.keys():
        del os.environ[name]
    os.environ.update(variables)


def prevent_core_dump() -> None:
    """The compiler reads a file of the version, which may crash it; the other limits come with the
    job.
    """
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def fail(control: socket, error: Exception) -> NoReturn:
    """Send the error and exit, also where it cannot be sent."""
    try:
        control.send(f"cannot prepare the sandbox: {error}".encode())
    finally:
        os._exit(1)


def wait_for_job() -> None:
    """Return when this process is the Worker."""
    before = set(sys.modules)
    number, is_idle = int(os.environ.pop(CONTROL)), os.environ.pop(IDLE, "")
    del os.environ["PYTHONPATH"]
    import shim  # type: ignore[import-not-found]

    sys.path.remove(FOLDER)
    sys.path_importer_cache.pop(FOLDER, None)
    control = shim.open_control(number)
    own = f"{FOLDER}/{SDK}.bytecode"
    try:
        if is_idle:
            load_ahead()
            prevent_core_dump()
            bytecode = sdk_bytecode(shim.BUNDLE, own, may_compile=True)
            shim.send_listeners(control)
        else:
            shim.send_listeners(control)
            # the platform prepares the job in the meantime
            load_ahead(lambda: shim.has_job(control))
            bytecode = sdk_bytecode(shim.BUNDLE, own, may_compile=False)
        reset_signals()
        job = shim.read_job(control)
        if not job:
            os._exit(0)
        shim.prepare(job)
        variables = dict(text.split("=", 1) for kind, text in job if kind == "e")
        names = os.listdir(shim.WORK)  # noqa: PTH208
        if needs_new_process(dict(os.environ), variables, loaded_since(before), names):
            shim.execute(job)
        replace_variables(variables)
        write_bytecode(shim.WORK, bytecode)
    except Exception as error:  # the interpreter would go on to a Worker that is not there
        fail(control, error)
    del sys.modules["shim"]
    control.close()


def load_own_customization() -> None:
    """Load the ``sitecustomize`` that this file replaced, if there is one."""
    this = sys.modules.pop("sitecustomize")
    try:
        __import__("sitecustomize")
    except ImportError as error:
        sys.modules["sitecustomize"] = this
        if error.name != "sitecustomize":
            raise


if __name__ == "sitecustomize":
    wait_for_job()
    load_own_customization()
