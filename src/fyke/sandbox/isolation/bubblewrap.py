"""The isolation of a sandbox as an argument list for bubblewrap.

For each of these lines there is a test that fails without it:

* ``--cap-drop ALL`` and ``--disable-userns``: no capability, and no way to get one by nesting.
* ``--new-session`` and ``--die-with-parent``: no access to our terminal, no process outlives us.
* ``/proc`` and ``/dev`` are new mounts. ``/dev`` is remounted read-only, because it would otherwise
  be a writable memory file system of half the machine's memory, outside every limit.
* ``/proc/1`` is covered: process 1 is bubblewrap itself and has no filter, and its memory could be
  written through ``/proc/1/mem``, which no rule against ``ptrace`` forbids.
* ``/etc`` contains only what programs need to resolve ``localhost`` and check certificates.
  ``resolv.conf`` is empty: names are resolved by the proxy.
* Where possible, no file shares its inode with another sandbox or the machine: a shared folder is
  mounted as a read-only overlay, a single file is copied, and device files are created for each
  user. Watches and locks belong to an inode.
* The hosts file maps the host names that published Workers have in their code to the sandbox's own
  loopback.
* The sandbox of a browser has memory file systems instead of the work folder, so nothing of a
  profile reaches a disk, except copies of HTTP caches (see ``saved_caches``). Chromium isolates the
  processes that handle pages itself, and needs user namespaces for that: then ``--disable-userns``
  is left out, and the filter limits their use.
* The arguments go through ``--args FD`` and the environment is empty, because process 1 inside
  shows both of them to the Worker.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from fyke.kit.inside_names import BROWSER_NAMES, PROXY_NAMES
from fyke.sandbox.isolation.browser_policy import policy
from fyke.sandbox.isolation.bytecode import bytecode, sdk_bytecode, source
from fyke.sandbox.isolation.python_command import INTERPRETER, base_environment, python_command
from fyke.sandbox.isolation.relay_files import RelayNeeds, needs_of, relay_options

PROGRAM = "/usr/bin/bwrap"
MIN_VERSION = (0, 8, 0)  # the first with --disable-userns

BROWSER, BROWSER_PROBE = BROWSER_KINDS = ("browser", "browser-probe")

INNER_ID = 1000
DEV_SHM_BYTES = 16 * 2**20
BROWSER_SHM_BYTES = 64 * 2**20

HOSTS = "127.0.0.1 localhost worker\n" + "".join(
    f"127.0.0.1 {name}\n" for name in (*PROXY_NAMES, *BROWSER_NAMES)
)
ETC = {
    "passwd": f"worker:x:{INNER_ID}:{INNER_ID}::/work:/bin/sh\n",
    "group": f"worker:x:{INNER_ID}:\n",
    "hosts": HOSTS,
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
    "resolv.conf": "",
}
BROWSER_ETC = ETC | {"hosts": "127.0.0.1 localhost worker\n"}
# fonts, and the cache without which the first page would read all of them
BROWSER_FOLDERS = ("/etc/fonts", "/var/cache/fontconfig")
POLICY_AT = "/etc/chromium/policies/managed/fyke.json"
# certificates and lookup files; never all of /etc/ssl, which contains private keys
ETC_OF_HOST = (
    "/etc/alternatives",
    "/etc/ca-certificates",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/pki/ca-trust",
    "/etc/pki/tls/certs",
    "/etc/pki/tls/cert.pem",
    "/etc/ssl/cert.pem",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
)
USR_LINKS = ("bin", "lib", "lib32", "lib64", "libx32", "sbin")

ENVIRONMENT_AT = {"python": "/env", "node": "/node_modules", "go": "/env"}
PROBE_AT = "/run/fyke/probe.py"
OWN_FOLDER = "/run/fyke"
SHIM_AT = f"{OWN_FOLDER}/shim.pyc"
INTERPRETER_START_AT = f"{OWN_FOLDER}/sitecustomize.pyc"
SDK_AT = f"{OWN_FOLDER}/sdk.bytecode"
NODE_PROXY_AT = "/run/fyke/proxy.cjs"
UV_AT = "/run/fyke/uv"
CACHE_AT = "/cache"
BROWSER_HOST_AT = f"{OWN_FOLDER}/browser_host.pyc"
BROWSER_PROGRAM_AT = f"{OWN_FOLDER}/chromium"  # also the name that chromedriver starts
BROWSER_SETTINGS_AT = f"{OWN_FOLDER}/browser.json"
BROWSER_WORK_AT = f"{OWN_FOLDER}/work"

DEVICES = {  # the device files of /dev, with their numbers
    "full": (1, 7),
    "null": (1, 3),
    "random": (1, 8),
    "tty": (5, 0),
    "urandom": (1, 9),
    "zero": (1, 5),
}


@dataclass(frozen=True, slots=True)
class BrowserLayout:
    """What the sandbox of a browser has besides. ``programs`` are the paths of the browsers by name
    (see ``installed_browser``), ``driver`` is that of chromedriver or "". ``own_sandbox`` allows
    the user namespaces of Chromium's own sandbox. ``limits`` are resource limits by number.
    ``start`` is the name of the browser that is started at once, or "". ``cache``: the HTTP cache
    of the shared Chromium is kept apart from its profile. ``display`` is the path of the virtual
    display, "" for browsers without windows.
    """

    programs: dict[str, str]
    driver: str
    own_sandbox: bool
    limits: dict[int, int]
    start: str = ""
    cache: bool = False
    display: str = ""


@dataclass(frozen=True, slots=True)
class Layout:
    """The mounts of one sandbox. ``kind`` is one of ``order.KINDS``; ``extras`` are the folders and
    programs that a kind of tool needs, each with its path in the sandbox. ``tmp_size`` in bytes.
    ``empty`` is an empty folder, the lower layer of every overlay; None mounts folders themselves.
    ``programs`` is a layer above /usr for Workers that start browsers (see ``relay_files``); None
    where there are no overlays.
    ``devices`` has the device files; None takes the machine's. ``watches`` allows inotify.
    ``interpreter``: the first process is the Worker's Python interpreter instead of the shim;
    ``idle``: it may take the time to compile the SDK. ``browser`` is only for a browser, whose
    memory file systems have ``tmp_size`` each.
    """

    kind: str
    work: Path
    bundle: Path | None
    environment: Path | None
    tmp_size: int
    cache: Path | None = None
    extras: tuple[tuple[Path, str], ...] = field(default=())
    empty: Path | None = None
    programs: Path | None = None
    devices: Path | None = None
    watches: bool = False
    interpreter: bool = False
    idle: bool = False
    browser: BrowserLayout | None = None


def arguments(
    layout: Layout, data: Callable[[bytes], int], seccomp: int, control: int
) -> list[str]:
    """The options, without the command. ``data`` returns an inheritable descriptor of the bytes
    that it gets; ``seccomp`` is the descriptor of the filter, ``control`` that of the first
    process's control socket. Raise ``OSError``.
    """
    needs = None
    if layout.browser is None:
        needs = needs_of(layout.kind, layout.environment)
    return [
        *_namespaces(nested=layout.browser is not None and layout.browser.own_sandbox),
        *_system(layout, None if needs is None else layout.programs),
        *_etc(layout, data),
        *_mounts(layout, data, needs),
        *_variables(layout, control),
        *("--seccomp", str(seccomp)),
        *("--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/work"),
    ]


def command(layout: Layout, *descriptors: int) -> list[str]:
    """The first process inside: the interpreter, or a program of ours with the numbers of its
    ``descriptors``: the control socket, and for a browser the saved cache if there is one.
    """
    if layout.interpreter:
        return python_command(has_environment=layout.environment is not None)
    program = SHIM_AT if layout.browser is None else BROWSER_HOST_AT
    return [INTERPRETER, "-I", "-B", "-S", program, *map(str, descriptors)]


def _variables(layout: Layout, control: int) -> Iterator[str]:
    """The variables of an interpreter: those of every Worker, and those that
    ``interpreter_start`` removes. They are set for the first process only.
    """
    if not layout.interpreter:
        return
    variables = base_environment(has_scripts=layout.environment is not None)
    variables |= {"PYTHONPATH": OWN_FOLDER, "FYKE_CONTROL": str(control)}
    variables |= {"FYKE_IDLE": "1"} if layout.idle else {}
    for name, value in variables.items():
        yield from ("--setenv", name, value)


def _namespaces(*, nested: bool = False) -> list[str]:
    """``nested`` allows user namespaces inside."""
    return [
        *("--unshare-user", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts"),
        "--unshare-cgroup-try",
        *(() if nested else ("--disable-userns", "--assert-userns-disabled")),
        *("--uid", str(INNER_ID), "--gid", str(INNER_ID), "--cap-drop", "ALL"),
        *("--die-with-parent", "--new-session", "--hostname", "worker", "--clearenv"),
    ]


def overlay_arguments(empty: Path, folders: list[Path]) -> list[str]:
    """The options and command of a sandbox that only mounts overlays of these folders and of those
    of the machine.
    """
    shared = [*map(Path, _etc_folders()), *folders]
    return [
        *_namespaces(),
        *_shared(empty, Path("/usr"), "/usr"),
        *_usr_links(empty),
        *(word for at, path in enumerate(shared) for word in _shared(empty, path, f"/run/{at}")),
        *("--", "/usr/bin/true"),
    ]


def shared_paths() -> list[str]:
    """The paths of a sandbox that the machine has too, with the same content."""
    folders = [f"/{name}" for name in USR_LINKS if _is_folder(Path("/", name))]
    etc = [path for path in ETC_OF_HOST if Path(path).exists()]
    return ["/usr", *folders, *etc, *(f"/dev/{name}" for name in DEVICES)]


def _shared(empty: Path | None, source: Path, target: str) -> list[str]:
    """A folder of the machine, with the sandbox's own inodes where overlays are possible."""
    if empty is None:
        return ["--ro-bind", os.fspath(source), target]
    return _layers(empty, source, target)


def _layers(lower: Path, upper: Path, target: str) -> list[str]:
    layers = ("--overlay-src", os.fspath(lower), "--overlay-src", os.fspath(upper))
    return [*layers, "--ro-overlay", target]


def _system(layout: Layout, programs: Path | None) -> list[str]:
    tmp_size = layout.tmp_size
    usr = Path("/usr")
    return [
        *(_layers(usr, programs, "/usr") if programs else _shared(layout.empty, usr, "/usr")),
        *_usr_links(layout.empty),
        *("--proc", "/proc", "--tmpfs", "/proc/1", "--remount-ro", "/proc/1", "--dev", "/dev"),
        *_devices(layout.devices),
        *("--size", str(shm_bytes(layout.kind)), "--tmpfs", "/dev/shm"),  # noqa: S108 - inside
        *("--size", str(tmp_size), "--tmpfs", "/tmp"),  # noqa: S108 - inside the sandbox
        *("--dir", "/etc"),
    ]


def _devices(folder: Path | None) -> Iterator[str]:
    for name in DEVICES if folder is not None else ():
        yield from ("--dev-bind", f"{folder}/{name}", f"/dev/{name}")


def _usr_links(empty: Path | None) -> list[str]:
    """/bin, /lib and so on as on the machine: links into /usr, or separate folders."""
    options: list[str] = []
    for name in USR_LINKS:
        path = Path("/", name)
        if path.is_symlink():
            options += ["--symlink", str(path.readlink()), str(path)]
        elif path.is_dir():
            options += _shared(empty, path, str(path))
    return options


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _etc_folders() -> list[str]:
    return [path for path in ETC_OF_HOST if Path(path).is_dir()]


def shm_bytes(kind: str) -> int:
    """The size of /dev/shm."""
    return BROWSER_SHM_BYTES if kind in BROWSER_KINDS else DEV_SHM_BYTES


def _etc(layout: Layout, data: Callable[[bytes], int]) -> list[str]:
    options: list[str] = []
    for path in _etc_folders():
        options += _shared(layout.empty, Path(path), path)
    for path in ETC_OF_HOST:
        content = _public_content(Path(path))
        if content is not None:
            options += ["--ro-bind-data", str(data(content)), path]
    for name, text in (ETC if layout.browser is None else BROWSER_ETC).items():
        options += ["--ro-bind-data", str(data(text.encode())), f"/etc/{name}"]
    return options


def _public_content(path: Path) -> bytes | None:
    """The content of a file that every user may read; None for anything else."""
    try:
        state = path.stat()
        is_public = stat.S_ISREG(state.st_mode) and state.st_mode & stat.S_IROTH
        return path.read_bytes() if is_public else None
    except OSError:
        return None


def own_programs(layout: Layout) -> dict[str, bytes]:
    """The programs of Fyke in the sandbox by their paths. Raise ``OSError``.

    The first call compiles them, which can take long.
    """
    if layout.browser is not None:
        return _browser_programs(layout, layout.browser)
    programs = {SHIM_AT: bytecode("shim.py", f"{OWN_FOLDER}/shim.py")}
    if layout.interpreter:
        at = f"{OWN_FOLDER}/sitecustomize.py"
        programs[INTERPRETER_START_AT] = bytecode("interpreter_start.py", at)
        programs[SDK_AT] = sdk_bytecode()
    if layout.kind == "probe":
        programs[PROBE_AT] = source("inspector.py")
    if layout.kind == "node":
        programs[NODE_PROXY_AT] = source("node_proxy.cjs")
    return programs


def _browser_programs(layout: Layout, browser: BrowserLayout) -> dict[str, bytes]:
    settings = {
        "programs": browser.programs,
        "driver": browser.driver,
        "own_sandbox": browser.own_sandbox,
        "limits": sorted(browser.limits.items()),
        "start": browser.start,
        "cache": browser.cache,
        "display": browser.display,
        "inspector": PROBE_AT if layout.kind == BROWSER_PROBE else "",
    }
    programs = {
        BROWSER_HOST_AT: bytecode("browser_host.py", f"{OWN_FOLDER}/browser_host.py"),
        BROWSER_PROGRAM_AT: source("browser_program.py"),
        BROWSER_SETTINGS_AT: json.dumps(settings).encode(),
        POLICY_AT: policy(),
    }
    if layout.kind == BROWSER_PROBE:
        programs[PROBE_AT] = source("inspector.py")
    return programs


def _mounts(layout: Layout, data: Callable[[bytes], int], needs: RelayNeeds | None) -> list[str]:
    options: list[str] = []
    # passed as data, because the sandbox's user cannot read this folder
    for path, content in own_programs(layout).items():
        mode = ("--perms", "0555") if path == BROWSER_PROGRAM_AT else ()
        options += [*mode, "--ro-bind-data", str(data(content)), path]
    if layout.browser is not None:
        return [*options, *_browser_mounts(layout)]
    options += ["--bind", os.fspath(layout.work), "/work"]
    if layout.bundle is not None:
        options += _shared(layout.empty, layout.bundle, "/bundle")
    if layout.environment is not None and layout.kind in ENVIRONMENT_AT:
        options += _shared(layout.empty, layout.environment, ENVIRONMENT_AT[layout.kind])
    if needs is not None:
        options += relay_options(data, needs.builds, has_layer=layout.programs is not None)
    if layout.cache is not None:
        options += ["--bind", os.fspath(layout.cache), CACHE_AT]
    for folder, target in layout.extras:
        empty = layout.empty if folder.is_dir() else None
        options += _shared(empty, folder, target)
    return options


def _browser_mounts(layout: Layout) -> list[str]:
    options = ["--size", str(layout.tmp_size), "--tmpfs", "/work"]
    # an empty folder, by which clean-up finds processes that outlived their spawner
    options += ["--ro-bind", os.fspath(layout.work), BROWSER_WORK_AT]
    for path in BROWSER_FOLDERS:
        if Path(path).is_dir():
            options += _shared(layout.empty, Path(path), path)
    return options
