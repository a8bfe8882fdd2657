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
* The hosts file maps the host names that published Workers have in their code to the sandbox's own
  loopback.
* The arguments go through ``--args FD`` and the environment is empty, because process 1 inside
  shows both of them to the Worker.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

PROGRAM = "/usr/bin/bwrap"
INTERPRETER = "/usr/bin/python3"
MIN_VERSION = (0, 8, 0)  # the first with --disable-userns

INNER_ID = 1000
DEV_SHM_BYTES = 16 * 2**20

_SITES = ("coreclaw.com", "cafescraper.com")
_SERVICES = ("proxy-inner", "chrome-ws-inner", "chrome-http-inner", "lightpanda-inner")
HOSTS = "127.0.0.1 localhost worker\n" + "".join(
    f"127.0.0.1 {service}.{site}\n" for site in _SITES for service in _SERVICES
)
ETC = {
    "passwd": f"worker:x:{INNER_ID}:{INNER_ID}::/work:/bin/sh\n",
    "group": f"worker:x:{INNER_ID}:\n",
    "hosts": HOSTS,
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
    "resolv.conf": "",
}
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
NODE_PROXY_AT = "/run/fyke/proxy.cjs"
UV_AT = "/run/fyke/uv"
CACHE_AT = "/cache"


@dataclass(frozen=True, slots=True)
class Layout:
    """The mounts of one sandbox. ``kind`` is one of ``order.KINDS``; ``extras`` are the folders and
    programs that a kind of tool needs, each with its path in the sandbox. ``tmp_size`` in bytes.
    """

    kind: str
    work: Path
    bundle: Path | None
    environment: Path | None
    tmp_size: int
    cache: Path | None = None
    extras: tuple[tuple[Path, str], ...] = field(default=())


def arguments(layout: Layout, data: Callable[[bytes], int], seccomp: int) -> list[str]:
    """The options, without the command. ``data`` returns an inheritable descriptor of the bytes
    that it gets; ``seccomp`` is the descriptor of the filter.
    """
    return [
        *_namespaces(),
        *_system(layout.tmp_size),
        *_etc(data),
        *_mounts(layout, data),
        *("--seccomp", str(seccomp)),
        *("--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/work"),
    ]


def command(control: int) -> list[str]:
    """The first process inside: the shim, with its control socket as argument."""
    return [INTERPRETER, "-I", "-B", "-S", "/run/fyke/shim.py", str(control)]


def _namespaces() -> list[str]:
    return [
        *("--unshare-user", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts"),
        *("--unshare-cgroup-try", "--disable-userns", "--assert-userns-disabled"),
        *("--uid", str(INNER_ID), "--gid", str(INNER_ID), "--cap-drop", "ALL"),
        *("--die-with-parent", "--new-session", "--hostname", "worker", "--clearenv"),
    ]


def _system(tmp_size: int) -> list[str]:
    return [
        *("--ro-bind", "/usr", "/usr"),
        *_usr_links(),
        *("--proc", "/proc", "--tmpfs", "/proc/1", "--remount-ro", "/proc/1", "--dev", "/dev"),
        *("--size", str(DEV_SHM_BYTES), "--tmpfs", "/dev/shm"),  # noqa: S108 - inside the sandbox
        *("--size", str(tmp_size), "--tmpfs", "/tmp"),  # noqa: S108 - inside the sandbox
        *("--dir", "/etc"),
    ]


def _usr_links() -> list[str]:
    """/bin, /lib and so on as on the machine: links into /usr, or separate folders."""
    options: list[str] = []
    for name in USR_LINKS:
        path = Path("/", name)
        if path.is_symlink():
            options += ["--symlink", str(path.readlink()), str(path)]
        elif path.is_dir():
            options += ["--ro-bind", str(path), str(path)]
    return options


def _etc(data: Callable[[bytes], int]) -> list[str]:
    options: list[str] = []
    for path in ETC_OF_HOST:
        options += ["--ro-bind-try", path, path]
    for name, text in ETC.items():
        options += ["--ro-bind-data", str(data(text.encode())), f"/etc/{name}"]
    return options


def _mounts(layout: Layout, data: Callable[[bytes], int]) -> list[str]:
    options = ["--ro-bind-data", str(data(_source("shim.py"))), "/run/fyke/shim.py"]
    if layout.kind == "probe":
        options += ["--ro-bind-data", str(data(_source("inspector.py"))), PROBE_AT]
    if layout.kind == "node":
        options += ["--ro-bind-data", str(data(_source("node_proxy.cjs"))), NODE_PROXY_AT]
    options += ["--bind", os.fspath(layout.work), "/work"]
    if layout.bundle is not None:
        options += ["--ro-bind", os.fspath(layout.bundle), "/bundle"]
    if layout.environment is not None and layout.kind in ENVIRONMENT_AT:
        options += ["--ro-bind", os.fspath(layout.environment), ENVIRONMENT_AT[layout.kind]]
    if layout.cache is not None:
        options += ["--bind", os.fspath(layout.cache), CACHE_AT]
    for source, target in layout.extras:
        options += ["--ro-bind", os.fspath(source), target]
    return options


def _source(name: str) -> bytes:
    """The content of a program that runs inside. It is passed as data, because the sandbox's user
    cannot read this folder.
    """
    return resources.files(__package__).joinpath(name).read_bytes()
