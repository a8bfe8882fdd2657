"""``fyke node join`` at a real gateway, and the folder that it writes."""

from __future__ import annotations

import asyncio
import json
import os
import pwd
import shutil
import socket
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from fyke.cli import main
from fyke.cli.errors import CommandFailed, Exit
from fyke.cli.node_join import _print, gateway_of, home_text
from fyke.cli.output import Output
from fyke.errors import Conflict, InvalidRequest
from fyke.kit.certificates import CertifiedKey
from fyke.kit.tls import client_context
from fyke.settings import Settings
from support.app import App, open_app
from support.commands import command
from support.gateways import Gateway, a_token, open_gateway
from support.node_folders import a_node

pytestmark = pytest.mark.anyio
ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root can change the owner")
NO_TOKEN = f"fyken_{'a' * 43}.{'b' * 43}"


@pytest.fixture(autouse=True)
def _as_a_plain_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.delenv("FYKE_NODE_TOKEN", raising=False)


def test_the_help_names_the_port_of_an_address_without_one() -> None:
    text = " ".join(CliRunner().invoke(main.app, ["node", "join", "--help"]).stdout.split())
    assert "as fyke node token prints it (default port: 8110)" in text


@pytest.fixture
async def app(tmp_path: Path, templates: Path) -> AsyncIterator[App]:
    async with open_app(tmp_path, templates) as app:
        yield app


@pytest.fixture
async def gateway(app: App) -> AsyncIterator[Gateway]:
    async with open_gateway(app.storage) as gateway:
        yield gateway


async def joined(gateway: Gateway, home: Path, *arguments: object) -> tuple[int, str, Any]:
    """Exit status, standard output and error. The gateway in this process logs there too."""
    where = f"{gateway.address[0]}:{gateway.address[1]}"
    words = ("node", "join", where, "--home", home, *arguments)
    code, out, error = await asyncio.to_thread(command, *words)
    return code, "\n".join(line for line in out.splitlines() if "event=" not in line), error


async def test_the_folder_has_what_a_node_needs(app: App, gateway: Gateway, tmp_path: Path) -> None:
    home, token = tmp_path / "node" / "home", await a_token(app, gateway, pool="eu")
    words = ("--name", "n1", "--label", "disk=ssd", "--token", token, "--json")
    code, out, _ = await joined(gateway, home, *words)
    known = {
        "name": "n1",
        "pool": "eu",
        "labels": {"disk": "ssd"},
        "gateways": [f"127.0.0.1:{gateway.address[1]}"],
    }
    assert (code, json.loads(out)) == (0, known | {"home": str(home)})
    [file] = home.iterdir()
    assert (file.name, file.stat().st_mode & 0o777) == ("node.json", 0o600)
    kept = json.loads(file.read_text())
    own = CertifiedKey(kept.pop("certificate"), kept.pop("key"))
    assert kept.pop("authority") == gateway.authority.certificate and kept == known
    client_context(gateway.authority.certificate, own, ["x"])  # the key is that of the certificate


async def test_it_says_what_was_joined_and_where(
    app: App, gateway: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FYKE_NODE_TOKEN", await a_token(app, gateway))
    monkeypatch.setattr(socket, "gethostname", lambda: "Worker-7")
    code, out, _ = await joined(gateway, tmp_path / "node")
    assert code == 0
    assert out.split() == [
        "node", "worker-7", "pool", "default", "labels", "-",
        "gateways", f"127.0.0.1:{gateway.address[1]}", "folder", str(tmp_path / "node"),
    ]  # fmt: skip


def test_the_command_that_starts_the_node_names_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FYKE_HOME", str(tmp_path / "usual"))
    node = a_node(("gateway.example:9000",))
    other, usual = tmp_path / "a b", tmp_path / "usual"
    for home, option in ((other, f" --home '{other}'"), (usual, "")):
        _print(Output(False), node, home, home_text(Settings(home=home)))
        assert f"start it with fyke node up{option}. Keep " in capfd.readouterr().err


async def test_the_next_gateway_is_tried_and_all_of_them_are_kept(
    app: App, gateway: Gateway, tmp_path: Path
) -> None:
    token, port = await a_token(app, gateway), gateway.address[1]
    with socket.socket() as bound:  # not listening, so it refuses
        bound.bind(("127.0.0.1", 0))
        nowhere = f"127.0.0.1:{bound.getsockname()[1]}"
        home, more = tmp_path / "node", ("--gateway", f"127.0.0.1:{port}", "--gateway", nowhere)
        words = ("node", "join", nowhere, *more, "--token", token, "--home", home)
        code, _, _ = await asyncio.to_thread(command, *words)
    assert code == 0
    kept = json.loads((home / "node.json").read_text())
    assert kept["gateways"] == [nowhere, f"127.0.0.1:{port}"]


@pytest.mark.parametrize("file", ["node.json", "secret.key", "owner.key", "state.db"])
async def test_a_folder_in_use_is_refused_and_the_token_stays(
    app: App, gateway: Gateway, tmp_path: Path, file: str
) -> None:
    home, token = tmp_path / "used", await a_token(app, gateway)
    home.mkdir()
    (home / file).write_text("x")
    code, _, error = await joined(gateway, home, "--name", "n1", "--token", token)
    assert code and isinstance(error, Conflict) and "--home" in str(error)
    assert [path.name for path in home.iterdir()] == [file]
    if file == "node.json":
        assert f"delete {home / file}" in str(error)
    assert (await joined(gateway, tmp_path / "node", "--name", "n1", "--token", token))[0] == 0


async def test_a_folder_that_cannot_be_written_leaves_the_token_unused(
    app: App, gateway: Gateway, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    token = await a_token(app, gateway)
    _, _, error = await joined(gateway, tmp_path / "file", "--name", "n1", "--token", token)
    assert isinstance(error, CommandFailed) and "cannot be written" in str(error)
    assert (await joined(gateway, tmp_path / "node", "--name", "n1", "--token", token))[0] == 0


def test_a_folder_that_root_cannot_make_is_named_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("FYKE_SERVICE_USER", "nobody")
    home = tmp_path / "file" / "node"
    _, _, error = command("node", "join", "127.0.0.1:9", "--token", NO_TOKEN, "--home", home)
    assert isinstance(error, CommandFailed)
    assert f"The data folder {home} lies below " in str(error) and "--home" in str(error)


@pytest.mark.parametrize("parents", ["", "a/b/"])
def test_a_refused_join_leaves_no_folder_that_it_made(tmp_path: Path, parents: str) -> None:
    for home in (tmp_path / parents / "node", tmp_path / "kept"):
        (tmp_path / "kept").mkdir(exist_ok=True)
        _, _, error = command("node", "join", "127.0.0.1:9", "--token", NO_TOKEN, "--home", home)
        assert isinstance(error, CommandFailed) and error.code is Exit.UNREACHABLE
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


@pytest.fixture
def roots_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of root that other users can enter; the command runs as root."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("FYKE_SERVICE_USER", "nobody")
    folder = Path(tempfile.mkdtemp(prefix="fyke-join-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@ROOT_ONLY
@pytest.mark.parametrize("files", [[], ["config.toml"]])
async def test_an_unused_folder_of_root_is_given_to_the_service_user(
    app: App, gateway: Gateway, roots_folder: Path, files: list[str]
) -> None:
    for file in files:
        (roots_folder / file).write_text("")
    token = await a_token(app, gateway)
    words = ("--name", "n1", "--token", token)
    code, _, error = await joined(gateway, roots_folder, *words)
    assert (code, error) == (0, None)
    nobody = pwd.getpwnam("nobody").pw_uid
    assert roots_folder.stat().st_uid == (roots_folder / "node.json").stat().st_uid == nobody


@ROOT_ONLY
async def test_a_folder_of_root_with_other_files_stays_and_is_named_with_what_to_do(
    app: App, gateway: Gateway, roots_folder: Path
) -> None:
    (roots_folder / "other").write_text("")
    token = await a_token(app, gateway)
    words = ("--name", "n1", "--token", token)
    _, _, error = await joined(gateway, roots_folder, *words)
    assert isinstance(error, CommandFailed) and f"chown nobody: {roots_folder}" in str(error)
    assert roots_folder.stat().st_uid == 0
    os.chown(roots_folder, pwd.getpwnam("nobody").pw_uid, -1)
    assert (await joined(gateway, roots_folder, *words))[0] == 0


@ROOT_ONLY
def test_a_refused_join_of_root_leaves_no_folder(roots_folder: Path) -> None:
    home = roots_folder / "a" / "node"
    _, _, error = command("node", "join", "127.0.0.1:9", "--token", NO_TOKEN, "--home", home)
    assert isinstance(error, CommandFailed) and error.code is Exit.UNREACHABLE
    assert [*roots_folder.iterdir()] == []


async def test_refusals_have_a_status_of_their_own(
    app: App, gateway: Gateway, tmp_path: Path
) -> None:
    home = tmp_path / "node"

    async def refusal(*arguments: object) -> tuple[Exit, str]:
        _, _, error = await joined(gateway, home, *arguments)
        assert isinstance(error, CommandFailed)
        return error.code, str(error)

    code, text = await refusal("--token", NO_TOKEN)
    assert code is Exit.AUTH and "gateway of another installation" in text
    token = await a_token(app, gateway, pool="eu")
    code, text = await refusal("--name", "n1", "--token", token, "--pool", "us")
    assert (code, text) == (Exit.AUTH, "This token is for the pool eu only")
    code, text = await refusal()
    assert code is Exit.USAGE and "fyke node token" in text and "FYKE_NODE_TOKEN" in text
    code, text = await refusal("--name", "Node 1", "--token", token)
    assert code is Exit.USAGE and text.startswith("--name: must have 1 to 63 lower-case")
    _, _, error = await joined(gateway, home, "--token", "fyken_half")
    assert isinstance(error, InvalidRequest) and "copy all of it" in str(error)
    assert not (home / "node.json").exists()


def test_a_gateway_that_is_away_is_unreachable(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        where = f"127.0.0.1:{free.getsockname()[1]}"
        _, _, error = command("node", "join", where, "--token", NO_TOKEN, "--home", tmp_path / "n")
    assert isinstance(error, CommandFailed) and error.code is Exit.UNREACHABLE
    assert f"{where}: Connection refused; check" in str(error) and "gateway_host" in str(error)


def test_all_gateways_that_are_away_are_named(tmp_path: Path) -> None:
    words = ("127.0.0.1:9", "--gateway", "127.0.0.1:7", "--token", NO_TOKEN)
    _, _, error = command("node", "join", *words, "--home", tmp_path / "n")
    assert isinstance(error, CommandFailed) and error.code is Exit.UNREACHABLE
    assert "127.0.0.1:9: Connection refused; No connection to 127.0.0.1:7: Conn" in str(error)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("gateway.example", ("gateway.example", 8110)),
        ("https://gateway.example:9000/", ("gateway.example", 9000)),
        ("10.0.0.5:1", ("10.0.0.5", 1)),
        ("[2001:db8::1]", ("2001:db8::1", 8110)),
        ("[2001:db8::1]:9", ("2001:db8::1", 9)),
    ],
)
def test_addresses_of_gateways(url: str, address: tuple[str, int]) -> None:
    assert gateway_of(url) == address


@pytest.mark.parametrize("url", ["", ":8110", "a:b", "a:70000", "a/b", "u@a", "http://a", "[::1"])
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(CommandFailed, match="must be the address of a gateway, such as") as refused:
        gateway_of(url)
    assert refused.value.code is Exit.USAGE


@pytest.mark.parametrize("option", ["--name", "--pool", "--token"])
def test_an_option_that_is_given_but_empty_is_refused(option: str, tmp_path: Path) -> None:
    words = ("node", "join", "127.0.0.1:9", "--token", NO_TOKEN, "--home", tmp_path / "n")
    for first in (words, ("node", "up", "--join", "127.0.0.1:9", "--home", tmp_path / "n")):
        if option == "--token" and "up" in first:
            continue
        _, _, error = command(*first, option, "")
        assert isinstance(error, CommandFailed) and error.code is Exit.USAGE
        assert str(error) == f"{option}: must not be empty"


def test_a_server_that_is_no_gateway_is_named_without_other_advice(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        where = f"127.0.0.1:{server.getsockname()[1]}"

        def answer() -> None:
            with server.accept()[0] as connection:
                connection.recv(1)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        _, _, error = command("node", "join", where, "--token", NO_TOKEN, "--home", tmp_path / "n")
        thread.join()
    assert isinstance(error, CommandFailed) and error.code is Exit.UNREACHABLE
    assert str(error).startswith(f"{where} answers, but is no gateway")
    assert str(error).endswith("; use the address that fyke node token prints")
