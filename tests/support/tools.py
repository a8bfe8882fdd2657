"""The programs that tests need besides Python, each with its package of Debian.

A test names them with ``@pytest.mark.needs("node", "bwrap")``, or with ``needs("{language}")`` when
its parameter ``language`` is the name; some fixtures and folders imply tools. A test whose tool is
missing is skipped. A test that starts a tool without naming it fails, so that ``script/test PATH``
can install only the tools that the selected tests need.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Tool:
    """``package`` is the Debian package; ``programs`` are the names of its commands."""

    package: str
    programs: tuple[str, ...]
    present: Callable[[], bool] | None = None

    def installed(self) -> bool:
        if self.present is not None:
            return self.present()
        return any(shutil.which(program) or shutil.which(program, path=PATH)
                   for program in self.programs)  # fmt: skip


def _postgres() -> bool:
    return any(Path("/usr/lib/postgresql").glob("*/bin/postgres")) or bool(shutil.which("postgres"))


def _php_curl() -> bool:
    command = ["php", "-r", 'exit(extension_loaded("curl") ? 0 : 1);']
    return shutil.which("php") is not None and subprocess.run(command).returncode == 0


def _go_grpc() -> bool:
    return Path("/usr/share/gocode/src/google.golang.org/grpc").is_dir()


TOOLS = {
    "bwrap": Tool("bubblewrap", ("bwrap",)),
    "chromium": Tool(
        "chromium-headless-shell", ("chromium-headless-shell", "chromium", "chromium-browser")
    ),
    "curl": Tool("curl", ("curl",)),
    "display": Tool("xvfb", ("Xvfb",)),
    "dpkg": Tool("dpkg", ("dpkg-deb",)),
    "driver": Tool("chromium-driver", ("chromedriver",)),
    "firefox": Tool("firefox-esr", ("firefox-esr", "firefox")),
    "git": Tool("git", ("git",)),
    "go": Tool("golang-go", ("go",)),
    "go_grpc": Tool("golang-google-grpc-dev", (), _go_grpc),
    "ip": Tool("iproute2", ("ip",)),
    "kubectl": Tool("kubernetes-client", ("kubectl",)),
    "java": Tool("default-jdk-headless", ("javac", "java")),
    "jq": Tool("jq", ("jq",)),
    "nc": Tool("netcat-openbsd", ("nc",)),
    "node": Tool("nodejs", ("node",)),
    "npm": Tool("npm", ("npm",)),
    "openssl": Tool("openssl", ("openssl",)),
    "php": Tool("php-cli", ("php",)),
    "php_curl": Tool("php-curl", (), _php_curl),
    "postgres": Tool("postgresql", ("postgres", "initdb"), _postgres),
    "protoc": Tool("protobuf-compiler", ("protoc",)),
    "protoc_gen_go": Tool("protoc-gen-go-1-5", ("protoc-gen-go",)),
    "protoc_gen_go_grpc": Tool("protoc-gen-go-grpc", ("protoc-gen-go-grpc",)),
    "radosgw": Tool("radosgw", ("radosgw", "radosgw-admin")),
    "zstd": Tool("zstd", ("zstd",)),
}
OF_FIXTURES = {
    "browser": ("chromium",),
    "node_client": ("node", "npm"),
    "postgres": ("postgres",),
}
OF_FOLDERS = {
    "tests/e2e/": "bwrap",
    "tests/integration/environments/": "bwrap",
    "tests/integration/sandbox/": "bwrap",
}


SERVERS = "TEST_SERVERS"  # in the environment: with 2 the end-to-end tests run on two servers


def two_servers_wanted() -> bool:
    """Return whether tests that can run on one or two servers use two in this session."""
    return os.environ.get(SERVERS) == "2"


MACHINES = "TEST_MACHINES"  # in the environment: with 3 the end-to-end tests run on three nodes


def many_machines_wanted() -> bool:
    """Return whether the runs of tests that can run anywhere go to three nodes in this session."""
    return os.environ.get(MACHINES) == "3"


@cache
def installed(tool: str) -> bool:
    return TOOLS[tool].installed()


@cache
def needs_of(item: pytest.Item) -> frozenset[str]:
    """The names in ``TOOLS`` of the tools that a collected test needs."""
    call = getattr(item, "callspec", None)
    parameters = (
        {name: getattr(value, "value", value) for name, value in call.params.items()}
        if call
        else {}
    )
    needs = {
        name.format_map(parameters) for mark in item.iter_markers("needs") for name in mark.args
    }
    needs |= {tool for start, tool in OF_FOLDERS.items() if item.nodeid.startswith(start)}
    if two_servers_wanted() and item.nodeid.startswith("tests/e2e/"):
        needs.add("postgres")
    if many_machines_wanted() and item.nodeid.startswith("tests/e2e/"):
        needs |= {"ip", "postgres"}
    for name in getattr(item, "fixturenames", ()):
        needs |= set(OF_FIXTURES.get(name, ()))
    if any(value in ("postgres", "postgresql") for value in parameters.values()):
        needs.add("postgres")  # because a fixture for both databases starts a server
    needs.discard("python")
    unknown = needs - TOOLS.keys()
    assert not unknown, f"{item.nodeid} needs {unknown}, which tests/support/tools.py does not know"
    return frozenset(needs)


def missing_packages(items: Iterable[pytest.Item]) -> list[str]:
    """The packages to install before these tests can run, sorted."""
    tools = {tool for item in items for tool in needs_of(item)}
    return sorted(TOOLS[tool].package for tool in tools if not installed(tool))


class ToolWatch:
    """Fails a test that starts a program of ``TOOLS`` without naming it."""

    def __init__(self) -> None:
        self._allowed: frozenset[str] | None = None
        self._of_program = {
            program: name for name, tool in TOOLS.items() for program in tool.programs
        }
        sys.addaudithook(self._check)

    def begin(self, item: pytest.Item) -> None:
        self._allowed = needs_of(item)

    def end(self) -> None:
        self._allowed = None

    def _check(self, event: str, arguments: tuple[object, ...]) -> None:
        if event != "subprocess.Popen" or self._allowed is None:
            return
        started = Path(_text(arguments[0]))
        tool = self._of_program.get(started.name)
        if started.is_absolute() and str(started.parent) not in PATH.split(":"):
            return  # a program of a Python package
        if tool is not None and tool not in self._allowed:
            raise AssertionError(f'this test starts {tool}: add @pytest.mark.needs("{tool}")')


def _text(program: object) -> str:
    return program.decode() if isinstance(program, bytes) else str(program)
