"""Node.js environments: npm installs the dependencies of ``package.json`` in a separate sandbox.

npm gets a cleaned copy of the project's two files: no scripts, no workspaces, and a lock file
without addresses. So every package comes from the registries that npm is configured for, and the
hashes of the lock file are still checked.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import shutil
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fyke.contracts.execution import EnvironmentFailed
from fyke.contracts.tools import CACHE_AT, ToolKind
from fyke.domain.workers.requirements import BadRequirement, check_registry_version, parse_package
from fyke.reasons import Detail, DetailCode, Reason, ReasonCode
from fyke.sandbox.packages import sealing
from fyke.sandbox.packages.installer import (
    SYSTEM_PATH,
    InstallTerms,
    LockOutOfStep,
    PackageInstaller,
    run_program,
)
from fyke.sandbox.packages.npm_settings import query_environment, read_npm
from fyke.sandbox.packages.package_client import PackageClient, Registry

BASE_SET = {"@grpc/grpc-js": "^1.13.4", "google-protobuf": "^4.0.0"}

_MAX_PACKAGE = 512 * 1024
_MAX_LOCK = 8 * 2**20
_LOCKS = ("npm-shrinkwrap.json", "package-lock.json")
_DEPENDENCIES = ("dependencies", "optionalDependencies", "peerDependencies")
_PACKAGE_PATH = re.compile(r"(/?node_modules/(@[A-Za-z0-9_~-][\w.~-]*/)?[A-Za-z0-9_~-][\w.~-]*)+")
_SETTINGS = {
    "npm_config_git": "/bin/false",
    "npm_config_allow_git": "none",
    "npm_config_allow_remote": "none",
    "npm_config_allow_file": "none",
    "npm_config_allow_directory": "none",
}
_HEADERS = Path("/usr/include/node")  # of the Node.js in sandboxes

SAFE_NPM = 11
_OUT_OF_STEP = "`npm ci` can only install packages when"  # the beginning of npm's message
_RUN_INSTALL = "run npm install and publish both files again"
_RESOLVED = (
    "The lock file is out of step with package.json, so missing versions were chosen during "
    f"installation; {_RUN_INSTALL}."
)

Document = dict[str, Any]


def refuses_addresses(npm_version: str) -> bool:
    """Whether this npm has the settings that restrict it to the registry."""
    major = npm_version.partition(".")[0]
    return major.isdigit() and int(major) >= SAFE_NPM


class NodeInstaller:
    """Makes recipes from ``package.json``; runs npm to read its version and settings."""

    def __init__(self, package_installer: PackageInstaller, environ: Mapping[str, str]) -> None:
        self.package_installer = package_installer
        self._environ = environ
        self._version = ""
        self._settings: Document | None = None

    async def recipe(self, bundle: Path) -> NodeRecipe:
        """Raise ``EnvironmentFailed`` for unsupported entries."""
        try:
            package, lock = await asyncio.to_thread(read_documents, bundle)
        except BadRequirement as error:
            raise EnvironmentFailed(error.reason, str(error)) from None
        return NodeRecipe(self, await self._node_version(), package, lock)

    async def _node_version(self) -> str:
        if not self._version:
            node = shutil.which("node", path=SYSTEM_PATH)
            code, output = (1, "") if node is None else await run_program([node, "--version"], {})
            if code:
                reason = Reason.of(ReasonCode.INSTALLER_MISSING, program="Node.js")
                raise EnvironmentFailed(reason, output)
            self._version = f"{output.strip()} {os.uname().sysname} {os.uname().machine}"
        return self._version

    async def check_npm(self, npm: str, *, stale_lock: bool) -> None:
        """Raise ``EnvironmentFailed`` for an npm that fetches every address in the metadata of a
        package: without a complete lock file, the sandbox restricts it to the hosts of the
        registries, but only a newer npm can be kept from using a login for other addresses there.
        """
        _, output = await run_program([npm, "--version"], {})
        version = output.strip()
        if not refuses_addresses(version):
            raise EnvironmentFailed(
                Reason.of(
                    ReasonCode.NPM_TOO_OLD,
                    version=version[:20] or "?",
                    oldest=SAFE_NPM,
                    stale_lock="package-lock.json" if stale_lock else None,
                )
            )

    async def client(self, npm: str) -> PackageClient:
        """The settings of npm. Raise ``EnvironmentFailed``."""
        if self._settings is None:
            self._settings = await query_npm(npm, self._environ)
        return await asyncio.to_thread(read_npm, self._environ, self._settings)


async def query_npm(npm: str, environ: Mapping[str, str]) -> Document:
    """The output of ``npm config list``. Raise ``EnvironmentFailed``."""
    env = query_environment(environ)
    _, output = await run_program([npm, "config", "list", "--json"], env)
    try:
        settings = json.loads(output)
    except ValueError:
        settings = None
    if not isinstance(settings, dict):
        reason = Reason.of(ReasonCode.INSTALLER_MISSING, program="npm")
        raise EnvironmentFailed(reason, output)
    return settings


class NodeRecipe:
    """The packages of one ``package.json``, with or without a lock file. With ``resolve`` the lock
    file does not match, and npm chooses the missing versions.
    """

    def __init__(
        self,
        installer: NodeInstaller,
        version: str,
        package: Document,
        lock: Document | None,
        *,
        resolve: bool = False,
    ) -> None:
        self._installer = installer
        self._exact = lock is not None and not resolve
        self.warning = _RESOLVED if resolve else ""
        self.fallback = (
            NodeRecipe(installer, version, package, lock, resolve=True) if self._exact else None
        )
        self._package = json.dumps(package, sort_keys=True)
        names = {name for section in _DEPENDENCIES for name in package.get(section) or {}}
        self._has_own_packages = not names <= set(BASE_SET)
        self._lock = "" if lock is None else json.dumps(lock, sort_keys=True)
        only_base = (
            lock is None and package.get("dependencies") == BASE_SET and set(package) <= _BASE_KEYS
        )
        self.locked = only_base or (lock is not None and not resolve and _has_all_hashes(lock))
        resolved = ("resolved",) if resolve else ()
        self.links: Mapping[str, str] = {}
        self.inputs: Sequence[str] = ("node", version, self._package, self._lock, *resolved)

    async def client(self) -> PackageClient:
        """See ``Recipe.client``."""
        return await self._installer.client(self._npm())

    def _npm(self) -> str:
        npm = shutil.which("npm", path=SYSTEM_PATH)
        if npm is None:
            raise EnvironmentFailed(Reason.of(ReasonCode.INSTALLER_MISSING, program="npm"))
        return npm

    async def install(self, building: Path, content: Path, terms: InstallTerms) -> str:
        """Install in a sandbox; move the packages to ``content``."""
        npm = self._npm()
        client = await self._installer.client(npm)
        if client.secrets and self._has_own_packages and not self._exact:
            await self._installer.check_npm(npm, stale_lock=bool(self._lock))
        files = {"out/package.json": self._package}
        if self._lock:
            files["out/package-lock.json"] = self._lock
        command = ["/bin/sh", "-c", self._script(npm, terms.builds)]
        env = dict(_SETTINGS)
        if terms.builds:
            env |= _build_settings()
        package_installer = self._installer.package_installer
        async with package_installer.install(
            ToolKind.NPM, terms, client, _sample_page, command, files, env
        ) as run:
            if run.code:
                failure = package_installer.failure(
                    client, ReasonCode.PACKAGES_FAILED, "npm", run, _explain(run.output)
                )
                if self._exact and _OUT_OF_STEP in run.output:
                    raise LockOutOfStep(failure.reason, run.output)
                raise failure
            await asyncio.to_thread(self._take, run.work / "out", content, run.output)
            return run.output

    def _script(self, npm: str, builds: bool) -> str:
        command = [
            npm, "ci" if self._exact else "install", "--omit=dev",
            "--no-audit", "--no-fund", "--no-update-notifier", "--no-progress", "--color=false",
            "--cache", f"{CACHE_AT}/npm",
            *([] if builds else ["--ignore-scripts", "--no-bin-links"]),
        ]  # fmt: skip
        # links are needed only while scripts run; an environment contains no link
        clean = "find node_modules -type d -name .bin -prune -exec rm -rf {} +" if builds else ":"
        return f"cd out\nmkdir -p node_modules\n{shlex.join(command)} || exit $?\n{clean}"

    def _take(self, out: Path, content: Path, log: str) -> None:
        modules = out / "node_modules"
        self._installer.package_installer.check_tree(modules, log, within=out)
        sealing.take(modules, content)


_BASE_KEYS = {"name", "version", "private", "dependencies"}


def _build_settings() -> dict[str, str]:
    settings = {"npm_config_dangerously_allow_all_scripts": "true"}
    if _HEADERS.is_dir():  # otherwise a build downloads them from a site that is not a registry
        settings["npm_config_nodedir"] = str(_HEADERS.parent.parent)
    return settings


def _has_all_hashes(lock: Document) -> bool:
    """Whether the lock file has a hash of every package."""
    return all(entry.get("integrity") for path, entry in lock["packages"].items() if path)


def _sample_page(registry: Registry) -> str:
    """The page of a package that Fyke itself uses."""
    return f"{registry.url.rstrip('/')}/google-protobuf"


def read_documents(bundle: Path) -> tuple[Document, Document | None]:
    """Return the cleaned ``package.json`` and lock file. Raise ``BadRequirement``."""
    text = _read(bundle / "package.json", _MAX_PACKAGE) or "{}"
    parse_package(text)
    source: Document = json.loads(text)
    lock = _lock(bundle)
    package: Document = {"name": "worker", "version": "1.0.0", "private": True}
    sections = (*_DEPENDENCIES, "devDependencies") if lock is not None else _DEPENDENCIES
    for section in sections:
        if source.get(section):
            package[section] = source[section]
            _check_versions("package.json", section, source[section])
    if source.get("overrides"):
        _check_overrides(source["overrides"])
        package["overrides"] = source["overrides"]
    if lock is None:
        package["dependencies"] = BASE_SET | (package.get("dependencies") or {})
    return package, lock


def _read(path: Path, limit: int) -> str | None:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(os.fstat(handle).st_mode):  # for example a folder
        os.close(handle)
        return None
    with os.fdopen(handle, "rb") as file:
        data = file.read(limit + 1)
        if len(data) > limit:
            detail = Detail.of(DetailCode.FILE_TOO_LARGE, max_bytes=limit)
            raise BadRequirement(detail, file=path.name)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadRequirement(Detail(DetailCode.FILE_NOT_UTF8), file=path.name) from None


def _lock(bundle: Path) -> Document | None:
    """Return the lock file without addresses; the oldest format counts as none."""
    for name in _LOCKS:
        text = _read(bundle / name, _MAX_LOCK)
        if text is not None:
            break
    else:
        return None
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        detail = Detail.of(DetailCode.FILE_NOT_JSON, problem=str(error))
        raise BadRequirement(detail, file=name) from None
    packages = document.get("packages") if isinstance(document, dict) else None
    if not isinstance(packages, dict):
        return None
    clean = {path: _locked_package(name, path, entry) for path, entry in packages.items()}
    clean[""] = clean.get("", {}) | {"name": "worker", "version": "1.0.0"}
    return {
        "name": "worker",
        "version": "1.0.0",
        "lockfileVersion": 3,
        "requires": True,
        "packages": clean,
    }


def _locked_package(file: str, path: str, entry: object) -> Document:
    if not isinstance(entry, dict) or entry.get("link"):
        raise _bad(file, DetailCode.LOCKED_LINK, path)
    if path and not _PACKAGE_PATH.fullmatch(path):
        raise _bad(file, DetailCode.LOCKED_OUTSIDE, path)
    resolved = entry.get("resolved")
    if isinstance(resolved, str) and not resolved.startswith(("https://", "http://")):
        raise _bad(file, DetailCode.LOCKED_ADDRESS, path, resolved[:60])
    if path:
        check_registry_version(path, entry.get("version", ""))
    for section in (*_DEPENDENCIES, "devDependencies"):
        if entry.get(section):
            _check_versions(file, section, entry[section])
    dropped = ("resolved", "hasInstallScript", "workspaces")
    return {key: value for key, value in entry.items() if key not in dropped}


def _check_versions(file: str, section: str, versions: object) -> None:
    if not isinstance(versions, dict):
        detail = Detail.of(DetailCode.SECTION_NOT_OBJECT, section=section)
        raise BadRequirement(detail, file=file)
    for name, version in versions.items():
        check_registry_version(name, version)


def _check_overrides(value: object) -> None:
    pending = [("overrides", value)]
    while pending:
        name, item = pending.pop()
        if isinstance(item, dict):
            pending.extend(item.items())
        elif not (isinstance(item, str) and re.fullmatch(r"\$[\w@/.-]+", item)):
            check_registry_version(name, item)


def _explain(log: str) -> str:
    lines = [re.sub(r"^npm (ERR!|error)\s*", "", line).strip() for line in log.splitlines()]
    useful = [line for line in lines if line and "complete log of this run" not in line]
    return " ".join(useful[:6])[:500]


def _bad(file: str, code: DetailCode, path: str, address: str = "") -> BadRequirement:
    return BadRequirement(Detail.of(code, package=path[:80], address=address), file=file)
