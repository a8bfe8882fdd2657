"""Python environments: uv installs binary packages for the interpreter that boxes have.

The virtual environment is laid out by hand, and uv is pointed at its folder as a mere target:
it asks the bare system interpreter what fits, never one that already sees the new packages.
A package may carry ``.pth`` files, which run code in every interpreter that starts with them.
"""

from __future__ import annotations

import asyncio
import os
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from uv import find_uv_bin

from fyke.domain.contracts import EnvironmentFailed
from fyke.domain.workers.requirements import BadRequirement, Requirement, parse
from fyke.sandbox.environment_process import MEMORY, Installer, InstallLog

BASE_SET = (Requirement("protobuf", "protobuf>=6.31.1"), Requirement("grpcio", "grpcio>=1.80.0"))
MOUNTED_AT = "/env"

_PROBE = (
    "import platform, sys, sysconfig; "
    "print(platform.python_implementation(), '.'.join(map(str, sys.version_info[:3])), "
    "sysconfig.get_platform())"
)
_FAILED = "The dependencies could not be installed"
_WHEELS_ONLY = "only packages with a ready-made wheel for this platform are installed"
_SHEBANG = re.compile(rb"#![^\n]*python[^\n]*\n")
_NOISE = re.compile("[\u00d7\u2500-\u257f\u25b6\\s]+")  # the frame that uv draws


@dataclass(frozen=True, slots=True)
class Interpreter:
    """The interpreter of the boxes as it describes itself."""

    implementation: str
    version: str  # major.minor.micro
    platform: str

    @property
    def folder(self) -> str:
        """Where its packages lie inside an environment."""
        major, minor = self.version.split(".")[:2]
        return f"lib/python{major}.{minor}/site-packages"


class PythonInstaller:
    """Turns requirements into recipes; knows uv, the interpreter and the cache."""

    def __init__(self, installer: Installer, python: str, cache: Path) -> None:
        self._installer = installer
        self._python = python
        self._cache = cache
        self._known: Interpreter | None = None

    async def recipe(self, requirements: str) -> PythonRecipe:
        """Raise ``EnvironmentFailed`` for lines that are not honoured."""
        try:
            wanted = parse(requirements)
        except BadRequirement as error:
            raise EnvironmentFailed(f"{_FAILED}: {error}", str(error)) from None
        named = {requirement.name for requirement in wanted}
        wanted += [base for base in BASE_SET if base.name not in named]
        lines = sorted({requirement.text for requirement in wanted})
        return PythonRecipe(self, await self._interpreter(), lines)

    async def _interpreter(self) -> Interpreter:
        if self._known is None:
            log = InstallLog()
            command = [self._python, "-I", "-S", "-c", _PROBE]
            code = await self._installer.run(command, Path("/"), log)
            words = log.text().split()
            if code or len(words) != 3:
                message = f"{_FAILED}: {self._python} does not run on this machine"
                raise EnvironmentFailed(message, log.text())
            self._known = Interpreter(*words)
        return self._known

    async def install(self, requirements: Path, target: Path, log: InstallLog) -> None:
        """Put the packages of a requirements file into ``target``, as wheels only."""
        command = [
            find_uv_bin(), "pip", "install",
            "--python", self._python, "--no-python-downloads",
            "--target", str(target),
            "--requirements", str(requirements),
            "--no-build", "--no-compile-bytecode", "--no-sources", "--link-mode", "hardlink",
            "--cache-dir", str(self._cache), "--no-progress", "--color", "never",
        ]  # fmt: skip
        self._cache.mkdir(parents=True, exist_ok=True)
        code = await self._installer.run(command, requirements.parent, log)
        if code:
            reason = f"{_FAILED}: {explain(log.text()) or f'uv ended with code {code}'}"
            raise EnvironmentFailed(f"{reason} ({_WHEELS_ONLY})", log.text())

    async def compile(self, site: Path, mounted: str, log: InstallLog) -> None:
        """Write bytecode, without importing a thing: no site, no user, no current folder.

        Files that do not compile are ordinary (templates, other versions) and left as they are.
        """
        command = [
            self._python, "-I", "-S", "-m", "compileall", "-q", "-o", "0",
            "-s", str(site), "-p", mounted, "--invalidation-mode", "unchecked-hash", str(site),
        ]  # fmt: skip
        await self._installer.run(command, Path("/"), InstallLog(log.held), memory=MEMORY)

    @property
    def python(self) -> str:
        return self._python


class PythonRecipe:
    """The packages of one set of requirements for one interpreter."""

    def __init__(
        self, installer: PythonInstaller, interpreter: Interpreter, lines: list[str]
    ) -> None:
        self._installer = installer
        self._interpreter = interpreter
        self._lines = lines
        self.inputs: Sequence[str] = (
            "python",
            interpreter.implementation,
            interpreter.version,
            interpreter.platform,
            *lines,
        )

    async def install(self, building: Path, content: Path, log: InstallLog) -> None:
        """Lay out a virtual environment and fill it."""
        site = content / self._interpreter.folder
        await asyncio.to_thread(self._lay_out, content, site)
        requirements = building / "requirements.txt"
        requirements.write_text("".join(f"{line}\n" for line in self._lines), "utf-8")
        await self._installer.install(requirements, site, log)
        await asyncio.to_thread(refuse_links, site, log)
        await asyncio.to_thread(_move_scripts, site / "bin", content / "bin")
        await self._installer.compile(site, f"{MOUNTED_AT}/{self._interpreter.folder}", log)

    def _lay_out(self, content: Path, site: Path) -> None:
        site.mkdir(parents=True)
        (content / "bin").mkdir()
        major = self._interpreter.version.split(".")[0]
        for name in ("python", f"python{major}"):
            (content / "bin" / name).symlink_to(self._installer.python)
        lines = (
            f"home = {Path(self._installer.python).parent}",
            "include-system-site-packages = false",
            f"version = {self._interpreter.version}",
        )
        (content / "pyvenv.cfg").write_text("".join(f"{line}\n" for line in lines), "utf-8")


def explain(log: str) -> str:
    """Return what uv gave as its reason, as one line of at most 500 characters."""
    lines = [_NOISE.sub(" ", line).strip() for line in log.splitlines()]
    start = next(
        (n for n, line in enumerate(lines) if line.startswith(("No solution", "error:", "Failed"))),
        None,
    )
    chosen = lines[-4:] if start is None else lines[start:]
    return " ".join(line for line in chosen if line)[:500]


def refuse_links(folder: Path, log: InstallLog) -> None:
    """Raise ``EnvironmentFailed`` when a package brought anything but files and folders."""
    for above, folders, names in os.walk(folder):
        for name in (*folders, *names):
            mode = Path(above, name).lstat().st_mode
            if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
                message = f"{_FAILED}: a package holds the link or device {name!r}; leave it out"
                raise EnvironmentFailed(message, log.text())


def _move_scripts(source: Path, target: Path) -> None:
    """Move console scripts to where ``PATH`` finds them, and name the interpreter as mounted.

    New files are written: the old ones may share their blocks with the cache.
    """
    if not source.is_dir() or (source / "__init__.py").exists():
        return
    for path in sorted(source.iterdir()):
        if not path.is_file() or os.path.lexists(target / path.name):
            continue
        content = path.read_bytes()
        first = _SHEBANG.match(content)
        if first is not None:
            content = f"#!{MOUNTED_AT}/bin/python\n".encode() + content[first.end() :]
        (target / path.name).write_bytes(content)
        (target / path.name).chmod(0o755)
        path.unlink()
