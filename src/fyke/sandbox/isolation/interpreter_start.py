"""Loaded first by the Python interpreter of a sandbox, as its ``sitecustomize``.

The interpreter is the first process of the sandbox, and does what the shim does in others. It is
started exactly as for a Worker (``python main.py`` in ``/work``), before the job is known. It loads
the modules of the standard library that the SDK imports, waits here for the job, copies the bundle
and returns: the interpreter then reads ``main.py`` as always. So ``__main__``, ``sys.argv``,
tracebacks, child processes and the exit are those of an interpreter that the shim executes.

Nothing of the version has run by then. The bundle is copied with the job, and with an environment
that has startup code (``.pth`` files with imports) the shim is the first process. Only ``sdk.py``
is compiled ahead where the sandbox waits for an attempt, which does not execute it; its bytecode is
written where the interpreter looks for it.

A job that a running interpreter cannot take on replaces it with a new one: some variables are read
at the start of a process, and a module of the Worker may have the name of one that is loaded.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

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


def compile_sdk(bundle: str) -> tuple[bytes, bytes] | None:
    """The source of the SDK and its bytecode without a header; None without a usable one."""
    import marshal

    path = f"{bundle}/{SDK}.py"
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - pathlib takes long to load
            source = file.read(MAX_SDK_BYTES + 1)
        if len(source) > MAX_SDK_BYTES:
            return None
        return source, marshal.dumps(compile(source, f"/work/{SDK}.py", "exec", dont_inherit=True))
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def write_bytecode(work: str, compiled: tuple[bytes, bytes] | None) -> None:
    """Write the bytecode of the copied SDK as an import of it would."""
    if compiled is None or sys.dont_write_bytecode or sys.implementation.cache_tag is None:
        return
    import _frozen_importlib_external as machinery

    source, code = compiled
    try:
        state = os.stat(f"{work}/{SDK}.py")  # noqa: PTH116
        if state.st_size != len(source):
            return
        fields = (0, int(state.st_mtime), state.st_size)
        head = b"".join((field & 0xFFFFFFFF).to_bytes(4, "little") for field in fields)
        folder = f"{work}/__pycache__"
        os.makedirs(folder, 0o755, exist_ok=True)  # noqa: PTH103
        path = f"{folder}/{SDK}.{sys.implementation.cache_tag}.pyc"
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        with open(number, "wb") as file:  # noqa: PTH123
            file.write(machinery.MAGIC_NUMBER + head + code)
    except OSError:  # the bundle has such a file; an import writes another if it is stale
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


def wait_for_job() -> None:
    """Return when this process is the Worker."""
    before = set(sys.modules)
    number, is_idle = int(os.environ.pop(CONTROL)), os.environ.pop(IDLE, "")
    del os.environ["PYTHONPATH"]
    import shim  # type: ignore[import-not-found]

    sys.path.remove(FOLDER)
    sys.path_importer_cache.pop(FOLDER, None)
    control = shim.open_control(number)
    compiled = None
    try:
        if is_idle:
            load_ahead()
            compiled = compile_sdk(shim.BUNDLE)
            shim.send_listeners(control)
        else:
            shim.send_listeners(control)
            # the platform prepares the job in the meantime
            load_ahead(lambda: shim.has_job(control))
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
        write_bytecode(shim.WORK, compiled)
    except Exception as error:  # the interpreter would go on to a Worker that is not there
        control.send(f"cannot prepare the sandbox: {error}".encode())
        os._exit(1)
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
