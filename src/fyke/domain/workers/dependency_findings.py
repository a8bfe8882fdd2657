"""Warnings about dependencies that can be seen without installing them.

An import is compared with the names of the packages. Which package has which module is only known
after the installation, so a missing one is a warning, not an error.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice
from typing import Any

from fyke.domain.workers.schema_report import WARNING, shortened
from fyke.model.worker import Finding

MAX_REPORTED = 10
_MAX_STALE = 5
# The compared texts are untrusted, so each comparison has a limit.
_MAX_MODULES = 500  # different ones
_MAX_NAMES = 50_000  # characters of the names of all packages
_MAX_PATH = 500  # characters of a path in a lock file; npm's own are shorter

Import = tuple[str, int, str]  # file, line, module
Sections = Mapping[str, Mapping[str, str]]  # of package.json

# Modules whose package has another name, which does not contain the name of the module.
_PACKAGES = {
    "bs4": "beautifulsoup4",
    "PIL": "pillow",
    "cv2": "opencv-python-headless",
    "yaml": "pyyaml",
    "sklearn": "scikit-learn",
    "skimage": "scikit-image",
    "dateutil": "python-dateutil",
    "dotenv": "python-dotenv",
    "docx": "python-docx",
    "pptx": "python-pptx",
    "magic": "python-magic",
    "slugify": "python-slugify",
    "Crypto": "pycryptodome",
    "Cryptodome": "pycryptodomex",
    "OpenSSL": "pyopenssl",
    "jwt": "pyjwt",
    "fitz": "pymupdf",
    "attr": "attrs",
    "serial": "pyserial",
    "usb": "pyusb",
    "telegram": "python-telegram-bot",
    "rest_framework": "djangorestframework",
    "pkg_resources": "setuptools",
    "MySQLdb": "mysqlclient",
    "psycopg2": "psycopg2-binary",
    "zmq": "pyzmq",
    "git": "gitpython",
    "socks": "pysocks",
}
_OF_THE_SDK = frozenset({"google", "grpc", "sdk", "sdk_pb2", "sdk_pb2_grpc"})

_NODE_IMPORT = re.compile(
    r"""(?:\brequire\(|\bimport\(|\bfrom|^[ \t]{0,80}import)[ \t]{0,9}['"]([^'"\s]{1,200})['"]"""
)
_NODE_PACKAGE = re.compile(r"(?:@[a-z0-9~][\w.~-]*/)?[a-z0-9~][\w.~-]*", re.IGNORECASE)
_NODE_OF_THE_SDK = frozenset({"@grpc/grpc-js", "google-protobuf"})
_NODE_BUILT_IN_NAMES = """
assert async_hooks buffer child_process cluster console constants crypto dgram diagnostics_channel
dns domain events fs http http2 https inspector module net os path perf_hooks process punycode
querystring readline repl stream string_decoder sys timers tls trace_events tty url util v8 vm wasi
worker_threads zlib
"""
_NODE_BUILT_IN = frozenset(_NODE_BUILT_IN_NAMES.split())
_SECTIONS = ("dependencies", "optionalDependencies")


def python_imports(
    imports: Iterable[Import], files: Iterable[str], packages: Iterable[str]
) -> list[Finding]:
    """Findings about modules that neither Python, nor the project, nor ``packages`` seem to have.

    ``files`` are the paths of the project, ``packages`` the names in requirements.txt.
    """
    own = {part.removesuffix(".py") for path in files for part in path.split("/")}
    known = own | _OF_THE_SDK | sys.stdlib_module_names
    names = "".join(f"\n{name.replace('_', '-').lower()}" for name in packages)
    if len(names) > _MAX_NAMES:
        return []
    foreign = _first_of_each(item for item in imports if item[2] not in known)
    missing = (item for item in islice(foreign, _MAX_MODULES) if not _has(names, item[2]))
    return [
        _undeclared(file, line, module, "requirements.txt", _PACKAGES.get(module, module))
        for file, line, module in islice(missing, MAX_REPORTED)
    ]


def _has(names: str, module: str) -> bool:
    """Whether one of ``names``, each after a line end, looks like the package of the module."""
    name = module.replace("_", "-").lower()
    package = _PACKAGES.get(module, name).removesuffix("-headless").removesuffix("-binary")
    if name in names or f"\n{package}" in names:
        return True
    joined = name.replace("-", "")
    return f"\n{joined}\n" in f"{names}\n".replace("-", "")


def node_imports(
    sources: Iterable[tuple[str, str]], sections: Sections, lock: Mapping[str, Any]
) -> list[Finding]:
    """Findings about packages that package.json does not name and the lock file does not have.

    ``sources``: file and text. ``lock``: the decoded lock file, empty without one.
    """
    locked = {path.rpartition("node_modules/")[2] for path in _packages(lock)}
    known = {name for section in sections.values() for name in section} | locked
    known |= _NODE_OF_THE_SDK | _NODE_BUILT_IN
    missing = (item for item in imported_packages(sources) if item[2] not in known)
    return [
        _undeclared(file, line, name, "package.json", name)
        for file, line, name in islice(_first_of_each(missing), MAX_REPORTED)
    ]


def imported_packages(sources: Iterable[tuple[str, str]]) -> Iterator[Import]:
    """The packages that Node.js sources import. ``sources``: file and text."""
    return (
        (file, number, name)
        for file, text in sources
        for number, line in enumerate(text.splitlines(), 1)
        if not line.lstrip().startswith(("//", "*", "/*"))
        for name in map(_package_of, _NODE_IMPORT.findall(line))
        if name
    )


def _package_of(specifier: str) -> str:
    """The package of an import, ``""`` for a file and for a part of Node.js."""
    if specifier.startswith((".", "/", "#", "node:")) or ":" in specifier:
        return ""
    parts = specifier.split("/")
    name = "/".join(parts[: 2 if specifier.startswith("@") else 1])
    return name if _NODE_PACKAGE.fullmatch(name) else ""


def _first_of_each(imports: Iterable[Import]) -> Iterator[Import]:
    seen = set()
    for item in imports:
        if item[2] not in seen:
            seen.add(item[2])
            yield item


def _undeclared(file: str, line: int, module: str, declared_in: str, package: str) -> Finding:
    message = f"{module} is imported, but {declared_in} does not name its package"
    remedy = f"add {package} to {declared_in}, unless another package installs it"
    return Finding(WARNING, "import_without_requirement", file, line, shortened(message), remedy)


def read_lock(text: str) -> dict[str, Any]:
    """The decoded lock file; empty for one that is not valid, which is reported elsewhere."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def stale_lock(file: str, lock: Mapping[str, Any], sections: Sections) -> list[Finding]:
    """The finding about a lock file that is out of step with package.json.

    Versions are compared as text, so not every difference that npm finds is found here.
    """
    differences = list(islice(chain(_changed(lock, sections), _missing(lock)), _MAX_STALE))
    if not differences:
        return []
    names = ", ".join(dict.fromkeys(differences))
    message = f"{file} is out of step with package.json: {names}"
    remedy = "run npm install and publish both files; until then versions are chosen at each build"
    return [Finding(WARNING, "lock_file_stale", file, 0, shortened(message), remedy)]


def _packages(lock: Mapping[str, Any]) -> Mapping[str, Any]:
    packages = lock.get("packages")
    return packages if isinstance(packages, dict) else {}


def _section(entry: object, name: str) -> Mapping[str, Any]:
    section = entry.get(name) if isinstance(entry, dict) else None
    return section if isinstance(section, dict) else {}


def _changed(lock: Mapping[str, Any], sections: Sections) -> Iterator[str]:
    """Packages that the first entry of the lock file names differently."""
    packages = _packages(lock)
    if "" not in packages:
        return
    for name in _SECTIONS:
        locked, declared = _section(packages[""], name), sections.get(name, {})
        for package in sorted({*locked, *declared}):
            if locked.get(package) != declared.get(package):
                yield package


def _missing(lock: Mapping[str, Any]) -> Iterator[str]:
    """Packages that an entry needs and the lock file does not have."""
    packages = _packages(lock)
    for path, entry in packages.items():
        if not isinstance(entry, dict) or entry.get("dev") or entry.get("link"):
            continue
        if len(path) > _MAX_PATH:
            continue
        optional = _section(entry, "optionalDependencies")
        for name in _section(entry, "dependencies"):
            if name not in optional and not _resolves(packages, path, name):
                yield name


def _resolves(packages: Mapping[str, Any], path: str, name: str) -> bool:
    """Whether Node.js finds the package from the folder ``path``."""
    while True:
        if f"{path}/node_modules/{name}".lstrip("/") in packages:
            return True
        if not path:
            return False
        path = path.rpartition("node_modules/")[0].rstrip("/")
