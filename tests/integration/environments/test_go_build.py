"""Go programs built from source in a real sandbox: results, and the limits of a build."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from fyke.contracts.execution import EnvironmentFailed
from fyke.domain.workers import starter_go
from fyke.domain.workers.elf import inspect_program
from fyke.kit.ids import new_ulid
from fyke.model.node import RunnableVersion
from fyke.model.worker import Language
from fyke.sandbox.packages import environment_go
from support.authority import make_authority
from support.environments import Workspace, open_workspace
from support.go_modules import NAME, VERSION, module_proxy
from support.memory import a_runnable_version

pytestmark = [
    pytest.mark.needs("go"),
    pytest.mark.anyio,
    pytest.mark.needs("bwrap"),
]

MODULE = "module worker\n\ngo 1.24\n"
HELLO = 'package main\n\nfunc main() { println("hello") }\n'
SDK = Path(__file__).parents[3] / "sdk" / "go"


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def workspace() -> AsyncIterator[Workspace]:
    """A workspace for all tests, because the account's cache keeps compiled packages."""
    async with open_workspace() as opened:
        yield opened
        assert os.listdir(opened.setup.work) == []


def version() -> RunnableVersion:
    """A version with new content."""
    return replace(a_runnable_version("w"), language=Language.GO, digest=new_ulid())


async def build(workspace: Workspace, files: dict[str, str | bytes], **environ: str) -> Path:
    environments = workspace.environments({"HOME": "/nonexistent", "GOPROXY": "off", **environ})
    built = await environments.ensure(version(), workspace.setup.bundle(files))
    assert built.path is not None
    return built.path / "main"


def runs(program: Path) -> str:
    completed = subprocess.run([program], capture_output=True, text=True, timeout=20, env={})
    assert completed.returncode == 0
    return completed.stdout + completed.stderr


async def test_a_project_is_built_once_statically_and_sealed(workspace: Workspace) -> None:
    requested = version()
    bundle = workspace.setup.bundle({"main.go": HELLO, "go.mod": MODULE})
    environments = workspace.environments({"HOME": "/nonexistent"})
    built = await environments.ensure(requested, bundle)
    assert built.path is not None
    program = built.path / "main"
    assert inspect_program(program.read_bytes()) == ("", False)
    assert program.stat().st_mode & 0o777 == 0o555
    assert sorted(os.listdir(built.path)) == ["main"]
    assert runs(program) == "hello\n"
    inode = program.stat().st_ino
    second = await workspace.environments({}).ensure(requested, bundle, "ANOTHER")
    assert second.path == built.path
    assert program.stat().st_ino == inode


@pytest.fixture
def host_name(monkeypatch: pytest.MonkeyPatch) -> str:
    """A name of this machine that is not loopback: Go bypasses proxies for loopback names."""
    ask = socket.getaddrinfo

    def answer(host: Any, *rest: Any, **options: Any) -> Any:
        return ask(
            "127.0.0.1" if host in ("modules.test", b"modules.test") else host, *rest, **options
        )

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    return "modules.test"


def tidied(folder: Path, proxy: str) -> dict[str, str | bytes]:
    """A project that uses a module of the proxy, with its go.sum."""
    source = f'package main\n\nimport "{NAME}"\n\nfunc main() {{ println(greet.Greet()) }}\n'
    (folder / "main.go").write_text(source)
    (folder / "go.mod").write_text(f"{MODULE}\nrequire {NAME} {VERSION}\n")
    own = {"GOPROXY": proxy, "GOSUMDB": "off", "GOMODCACHE": str(folder / "cache"), "GOWORK": "off"}
    subprocess.run(
        ["go", "mod", "tidy", "-modcacherw"],
        cwd=folder,
        env=os.environ | own,
        check=True,
        capture_output=True,
        timeout=60,
    )
    return {name: (folder / name).read_text() for name in ("main.go", "go.mod", "go.sum")}


async def test_modules_come_only_from_the_configured_proxy(
    workspace: Workspace, tmp_path: Path, host_name: str
) -> None:
    with module_proxy() as (url, paths):
        files = tidied(tmp_path, url)
        paths.clear()
        environ = {"GOPROXY": f"{url.replace('127.0.0.1', host_name)},direct", "GOSUMDB": "off"}
        assert runs(await build(workspace, files, **environ)) == "hello from a module\n"
        assert f"/{NAME}/@v/{VERSION}.zip" in paths
        paths.clear()
        files["go.sum"] = str(files["go.sum"]).replace("h1:", "h1:AAAA")
        with pytest.raises(EnvironmentFailed, match=r"could not be built: .*go\.sum"):
            await build(workspace, files, **environ)
    with pytest.raises(EnvironmentFailed, match="could not be built"):
        await build(workspace, files | {"go.sum": ""}, GOPROXY="off")
    with pytest.raises(EnvironmentFailed, match=r"names 127\.0\.0\.1.*Give it another name"):
        await build(workspace, files, GOPROXY=url)


@pytest.mark.long
async def test_a_project_cannot_read_the_credentials_of_the_module_proxy(
    workspace: Workspace, tmp_path: Path, host_name: str
) -> None:
    """An assembler file may include any file, and errors of the compiler quote it."""
    password = "glpat_Zx81kQwe77"
    with module_proxy() as (url, _):
        files = tidied(tmp_path, url)
    account = new_ulid()  # an account with an empty cache
    make_authority(tmp_path, [host_name])
    with module_proxy("operator", password, tmp_path) as (url, paths):
        proxy = url.replace("127.0.0.1", host_name)
        login = f"login operator password {password}"
        (tmp_path / ".netrc").write_text(f"machine {urlsplit(proxy).netloc} {login}\n")
        environ = {
            "HOME": str(tmp_path),
            "GOSUMDB": "off",
            "GOPROXY": proxy,
            "SSL_CERT_FILE": str(tmp_path / "ca.pem"),
        }
        environments = workspace.environments(environ)
        with pytest.raises(EnvironmentFailed) as caught:
            bundle = workspace.setup.bundle(files | {"leak.s": '#include "/work/.config/netrc"\n'})
            await environments.ensure(version(), bundle, account)
        messages = f"{caught.value}\n{caught.value.log}"
        assert f"/{NAME}/@v/{VERSION}.zip" in paths
        assert password not in messages
        assert "/work/.config/netrc: no such file" in messages
        built = await environments.ensure(version(), workspace.setup.bundle(files), account)
        assert built.path is not None
        assert runs(built.path / "main") == "hello from a module\n"


async def test_a_module_may_be_replaced_by_a_folder_of_the_project(workspace: Workspace) -> None:
    source = 'package main\n\nimport "example.test/x"\n\nfunc main() { println(x.X) }\n'
    files: dict[str, str | bytes] = {
        "main.go": source,
        "go.mod": f"{MODULE}\nrequire example.test/x v1.0.0\nreplace example.test/x => ./lib/x\n",
        "lib/x/go.mod": "module example.test/x\n\ngo 1.20\n",
        "lib/x/x.go": 'package x\n\nconst X = "from a folder"\n',
    }
    program = await build(workspace, files, GOPROXY="https://proxy.invalid")
    assert runs(program) == "from a folder\n"


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"main.go": "package main\n\nfunc main() { broken() }\n"}, "main.go:3:15: undefined"),
        ({"go.mod": "module worker\n\ngo 1.99\n"}, "requires go >= 1.99"),
        ({"go.mod": f"{MODULE}\ntoolchain go1.99.0\n", "main.go": "no Go"}, "expected 'package'"),
        ({"main.go": "package other\n"}, "main is no program"),
        ({"main.go": HELLO.replace("func", 'import "example.test/absent"\n\nfunc')}, "absent"),
        (
            {"go.mod": f"{MODULE}\nreplace example.test/x => ../../../etc\n", "main.go": "x"},
            "could not be built",
        ),
        (
            {"main.go": 'package main\n\n// #include "/etc/passwd"\nimport "C"\nfunc main() {}\n'},
            "could not be built",
        ),
        (
            {
                "main.go": HELLO.replace(
                    "func", 'import _ "embed"\n\n//go:embed /etc/passwd\nvar x string\n\nfunc'
                )
            },
            "invalid pattern",
        ),
    ],
)
async def test_a_failed_build_is_reported(
    workspace: Workspace, files: dict[str, str | bytes], words: str
) -> None:
    with pytest.raises(EnvironmentFailed) as caught:
        await build(workspace, {"main.go": HELLO, "go.mod": MODULE, **files})
    assert "could not be built" in str(caught.value)
    assert words in f"{caught.value}\n{caught.value.log}"


async def test_no_code_of_the_project_runs(workspace: Workspace) -> None:
    files: dict[str, str | bytes] = {
        "main.go": "package main\n\n//go:generate touch /cache/ran\n\nfunc main() {}\n",
        "go.mod": MODULE,
        "go.work": "go 1.24\n\nuse ./elsewhere\n",
        ".git/config": "[core]\n\tfsmonitor = touch /cache/ran\n",
        "Makefile": "all:\n\ttouch /cache/ran\n",
    }
    await build(workspace, files)
    ran = [path for path in (workspace.setup.home / "tool-caches").rglob("*") if path.name == "ran"]
    assert ran == []


async def test_without_go_the_error_has_the_remedy(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment_go, "_PATH", "/nonexistent")
    with pytest.raises(EnvironmentFailed, match=r"Go is not installed.*GOOS=linux"):
        await build(workspace, {"main.go": HELLO, "go.mod": MODULE})


@pytest.mark.long
async def test_the_generated_project_is_built(workspace: Workspace) -> None:
    files: dict[str, str | bytes] = {
        path.relative_to(SDK).as_posix(): path.read_text()
        for path in SDK.rglob("*.*")
        if path.is_file()
    }
    program = await build(workspace, files | starter_go.files("Hello", "go build"))
    assert inspect_program(program.read_bytes()[: 64 * 1024]) == ("", False)
