"""Python environments: uv installs packages for the sandboxes' interpreter in a separate sandbox.

uv installs into a plain folder, and the virtual environment is created around it outside of the
sandbox. So uv runs only the system interpreter, never one that loads the new packages: a package
may contain ``.pth`` files, which run code in every interpreter that finds them.
"""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from uv import find_uv_bin

from fyke.contracts.execution import EnvironmentFailed
from fyke.contracts.tools import CACHE_AT, UV_AT, WORK_AT, ToolKind
from fyke.domain.workers.requirements import BadRequirement, Requirement, parse
from fyke.reasons import Reason, ReasonCode
from fyke.sandbox.packages import sealing
from fyke.sandbox.packages.installer import InstallTerms, PackageInstaller, run_program
from fyke.sandbox.packages.package_client import PackageClient, Registry
from fyke.sandbox.packages.uv_settings import read_uv

BASE_SET = (Requirement("protobuf", "protobuf>=6.31.1"), Requirement("grpcio", "grpcio>=1.80.0"))
MOUNTED_AT = "/env"
MAX_PTH_BYTES = 1 << 16  # a longer .pth file counts as one with startup code

_PROBE = (
    "import platform, sys, sysconfig; "
    "print(platform.python_implementation(), '.'.join(map(str, sys.version_info[:3])), "
    "sysconfig.get_platform())"
)
_DEFAULT_INDEX = re.compile(r"by\s+default:\s*<(https?://[^>\s]+)>")
_SHEBANG = re.compile(rb"#![^\n]*python[^\n]*\n")
_NOISE = re.compile("[\u00d7\u2500-\u257f\u25b6\\s]+")  # the frame in uv's output
_OUT = f"{WORK_AT}/out"


@dataclass(frozen=True, slots=True)
class Interpreter:
    """The interpreter of the sandboxes as it describes itself."""

    implementation: str
    version: str  # major.minor.micro
    platform: str

    @property
    def folder(self) -> str:
        """The folder of its packages inside an environment."""
        major, minor = self.version.split(".")[:2]
        return f"lib/python{major}.{minor}/site-packages"


class PythonInstaller:
    """Makes recipes from requirements; runs uv and the interpreter to read their settings."""

    def __init__(
        self, package_installer: PackageInstaller, environ: Mapping[str, str], python: str
    ) -> None:
        self.package_installer = package_installer
        self.python = python
        self._environ = environ
        self._cached_interpreter: Interpreter | None = None
        self._default: str | None = None

    async def recipe(self, requirements: str) -> PythonRecipe:
        """Raise ``EnvironmentFailed`` for unsupported lines."""
        try:
            parsed = parse(requirements)
        except BadRequirement as error:
            raise EnvironmentFailed(error.reason, str(error)) from None
        return PythonRecipe(self, await self._interpreter(), parsed)

    async def _interpreter(self) -> Interpreter:
        if self._cached_interpreter is None:
            code, output = await run_program([self.python, "-I", "-S", "-c", _PROBE], {})
            fields = output.split()
            if code or len(fields) != 3:
                reason = Reason.of(ReasonCode.INSTALLER_MISSING, program=self.python)
                raise EnvironmentFailed(reason, output)
            self._cached_interpreter = Interpreter(*fields)
        return self._cached_interpreter

    async def client(self) -> PackageClient:
        """The settings of uv. Raise ``EnvironmentFailed``."""
        if self._default is None:
            self._default = await default_index()
        return await asyncio.to_thread(read_uv, self._environ, self._default)


async def default_index() -> str:
    """The default index of uv, from its help text; "" when it is not found."""
    _, output = await run_program([find_uv_bin(), "pip", "install", "--help"], {"NO_COLOR": "1"})
    match = _DEFAULT_INDEX.search(output)
    return match[1] if match else ""


class PythonRecipe:
    """The packages of one set of requirements for one interpreter."""

    warning = ""
    fallback = None

    def __init__(
        self,
        installer: PythonInstaller,
        interpreter: Interpreter,
        requirements: Sequence[Requirement],
    ) -> None:
        self._installer = installer
        self._interpreter = interpreter
        names = {requirement.name for requirement in requirements}
        base = [requirement for requirement in BASE_SET if requirement.name not in names]
        self._lines = sorted({requirement.text for requirement in (*requirements, *base)})
        all_have_hashes = all("--hash=" in requirement.text for requirement in requirements)
        self._complete = bool(requirements) and all_have_hashes and not base
        self.locked = not requirements or self._complete
        self.inputs: Sequence[str] = (
            "python",
            interpreter.implementation,
            interpreter.version,
            interpreter.platform,
            *self._lines,
        )

    @property
    def links(self) -> Mapping[str, str]:
        major = self._interpreter.version.split(".")[0]
        return dict.fromkeys(("bin/python", f"bin/python{major}"), self._installer.python)

    async def client(self) -> PackageClient:
        """See ``Recipe.client``."""
        return await self._installer.client()

    async def install(self, building: Path, content: Path, terms: InstallTerms) -> str:
        """Install in a sandbox; make a virtual environment of the packages in ``content``."""
        files = {"requirements.txt": "".join(f"{line}\n" for line in self._lines)}
        client = await self.client()
        package_installer = self._installer.package_installer
        command = ["/bin/sh", "-c", self._script(self._installer.python, builds=terms.builds)]
        async with package_installer.install(
            ToolKind.UV,
            terms,
            client,
            _sample_page,
            command,
            files,
            {"PYTHONDONTWRITEBYTECODE": "1"},
        ) as run:
            if run.code:
                code = code_of(run.output, builds=terms.builds)
                raise package_installer.failure(client, code, "uv", run, explain(run.output))
            await asyncio.to_thread(self._take, run.work / "out", content, run.output)
            return run.output

    def _script(self, python: str, *, builds: bool) -> str:
        """Install, then write bytecode without importing any package: no site, no user, no current
        folder. Files that do not compile are ignored (templates, other Python versions).
        """
        command = [
            UV_AT, "pip", "install",
            "--python", python, "--no-python-downloads",
            "--target", _OUT, "--requirements", "requirements.txt",
            "--no-compile-bytecode", "--no-sources", "--link-mode", "copy",
            "--cache-dir", f"{CACHE_AT}/uv", "--no-progress", "--color", "never",
            *([] if builds else ["--no-build"]),
            *(["--require-hashes"] if self._complete else []),
        ]  # fmt: skip
        compile_command = [
            python, "-I", "-S", "-m", "compileall", "-q", "-o", "0",
            "-s", _OUT, "-p", f"{MOUNTED_AT}/{self._interpreter.folder}",
            "--invalidation-mode", "unchecked-hash", _OUT,
        ]  # fmt: skip
        return (
            f"{shlex.join(command)} || exit $?\n"
            f"{shlex.join(compile_command)} >/dev/null 2>&1\n"
            "exit 0"
        )

    def _take(self, out: Path, content: Path, log: str) -> None:
        self._installer.package_installer.check_tree(out, log)
        site = content / self._interpreter.folder
        site.parent.mkdir(parents=True)
        sealing.take(out, site)
        if (site / ".lock").is_file():  # left by uv in its target folder
            (site / ".lock").unlink()
        self._create_environment(content)
        _move_scripts(site / "bin", content / "bin")

    def _create_environment(self, content: Path) -> None:
        (content / "bin").mkdir()
        for name, target in self.links.items():
            (content / name).symlink_to(target)
        lines = (
            f"home = {Path(self._installer.python).parent}",
            "include-system-site-packages = false",
            f"version = {self._interpreter.version}",
        )
        (content / "pyvenv.cfg").write_text("".join(f"{line}\n" for line in lines), "utf-8")


def has_startup_code(environment: Path) -> bool:
    """Whether an interpreter of the environment may run code of a package when it starts: the lines
    of ``.pth`` files that import. Any mention of an import counts, and what cannot be read.
    """
    try:
        return any(
            _may_import(path)
            for folder in environment.glob("lib/python*/site-packages")
            for path in folder.iterdir()
            if path.name.endswith(".pth")
        )
    except OSError:
        return True


def _may_import(path: Path) -> bool:
    """Raise ``OSError``, also for a link. A package chose what is there, so opening does not wait
    for a pipe, and little is read.
    """
    number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(number, "rb") as file:
        if not stat.S_ISREG(os.fstat(number).st_mode):
            return True
        content = file.read(MAX_PTH_BYTES + 1)
    return len(content) > MAX_PTH_BYTES or b"import" in content


def _sample_page(registry: Registry) -> str:
    """The page of a package that Fyke itself uses."""
    return f"{registry.url.rstrip('/')}/{BASE_SET[0].name}/"


def code_of(log: str, *, builds: bool) -> ReasonCode:
    """Return the code for uv's output after an error. ``builds``: packages may be built."""
    if "Couldn't parse requirement" in log:
        return ReasonCode.BAD_REQUIREMENT
    return ReasonCode.PACKAGES_FAILED if builds else ReasonCode.NO_READY_PACKAGE


def explain(log: str) -> str:
    """Return the reason in uv's output, as one line of at most 500 characters."""
    lines = [_NOISE.sub(" ", line).strip() for line in log.splitlines()]
    start = next(
        (n for n, line in enumerate(lines) if line.startswith(("No solution", "error:", "Failed"))),
        None,
    )
    chosen = lines[-4:] if start is None else lines[start:]
    return " ".join(line for line in chosen if line)[:500]


def _move_scripts(source: Path, target: Path) -> None:
    """Move console scripts to the folder in ``PATH``, with the mounted interpreter as shebang."""
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
