"""What the installers are told, and what is kept of what they say."""

from __future__ import annotations

import asyncio
import os
import stat
from pathlib import Path

import pytest

from fyke.domain.contracts import EnvironmentFailed
from fyke.sandbox.environment import UvEnvironments, open_to_all
from fyke.sandbox.environment_process import MAX_LOG, Installer, InstallLog, pip_settings
from fyke.sandbox.environment_python import explain, refuse_links

pytestmark = pytest.mark.anyio


def test_log_keeps_both_ends_and_no_credentials() -> None:
    log = InstallLog()
    log.add("first https://user:secret@host/x\n")
    for _ in range(40):
        log.add("x" * 10_000)
    log.add("last\0")
    text = log.text()
    assert text.startswith("first https://***@host/x")
    assert text.endswith("last")
    assert "[...]" in text
    assert len(text) <= 2 * MAX_LOG + 10


def test_only_client_settings_are_passed() -> None:
    environ = {
        "FYKE_SECRET": "s",
        "PATH": "/evil",
        "LD_PRELOAD": "x",
        "PYTHONPATH": "x",
        "NODE_OPTIONS": "x",
        "UV_COMPILE_BYTECODE": "1",
        "UV_PYTHON": "x",
        "UV_INDEX_HOME_PASSWORD": "p",
        "UV_FIND_LINKS": "/l",
        "HTTPS_PROXY": "http://p",
        "SSL_CERT_FILE": "/c",
        "NPM_CONFIG_REGISTRY": "http://r",
        "npm_config_script_shell": "x",
        "npm_config_ignore_scripts": "false",
        "HOME": "/nonexistent",
    }
    env = Installer(environ, 1).environment()
    assert env.pop("PATH").endswith("/usr/bin:/sbin:/bin")
    assert env == {
        "HOME": "/nonexistent",
        "UV_INDEX_HOME_PASSWORD": "p",
        "UV_FIND_LINKS": "/l",
        "HTTPS_PROXY": "http://p",
        "SSL_CERT_FILE": "/c",
        "npm_config_registry": "http://r",
    }


def write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def test_pip_settings_are_translated(tmp_path: Path) -> None:
    write(
        tmp_path / ".config/pip/pip.conf",
        "[global]\nindex-url = https://index/simple\ncert = /ca.pem\n"
        "[install]\nextra_index_url =\n  https://a\n  https://b\n"
        "find-links = /one /two\ntrusted-host = index\n",
    )
    environ = {"HOME": str(tmp_path), "XDG_CONFIG_DIRS": str(tmp_path / "none")}
    env = Installer(environ, 1).environment()
    assert env["UV_DEFAULT_INDEX"] == "https://index/simple"
    assert env["UV_INDEX"] == "https://a https://b"
    assert env["UV_FIND_LINKS"] == "/one,/two"
    assert env["UV_INSECURE_HOST"] == "index"
    assert env["SSL_CERT_FILE"] == "/ca.pem"


def test_the_more_personal_pip_setting_wins(tmp_path: Path) -> None:
    write(tmp_path / "xdg/pip/pip.conf", "[global]\nindex-url = site\nfind-links = site\n")
    write(tmp_path / ".pip/pip.conf", "[global]\nindex-url = user\n")
    write(tmp_path / "named.conf", "[global]\nindex-url = named\n")
    write(tmp_path / "broken.conf", "no section")
    environ = {"HOME": str(tmp_path), "XDG_CONFIG_DIRS": str(tmp_path / "xdg")}
    assert pip_settings(environ)["index-url"] == "user"
    assert pip_settings(environ)["find-links"] == "site"
    named = environ | {"PIP_CONFIG_FILE": str(tmp_path / "named.conf")}
    assert pip_settings(named)["index-url"] == "named"
    assert pip_settings(named | {"PIP_INDEX_URL": "env"})["index-url"] == "env"
    broken = environ | {"PIP_CONFIG_FILE": str(tmp_path / "broken.conf")}
    assert pip_settings(broken)["index-url"] == "user"
    assert pip_settings(environ | {"PIP_CONFIG_FILE": os.devnull}) == {}


@pytest.mark.parametrize("told", ["variable", "file"])
def test_uv_settings_win_over_those_of_pip(tmp_path: Path, told: str) -> None:
    environ = {"HOME": str(tmp_path), "PIP_INDEX_URL": "pip", "PIP_CERT": "/ca.pem"}
    if told == "variable":
        environ["UV_INDEX_URL"] = "uv"
    else:
        write(tmp_path / ".config/uv/uv.toml", "")
    env = Installer(environ, 1).environment()
    assert "UV_DEFAULT_INDEX" not in env
    assert env["SSL_CERT_FILE"] == "/ca.pem"


async def test_time_is_limited_for_the_whole_group(tmp_path: Path) -> None:
    log = InstallLog()
    script = "sleep 300 & echo $!; wait"
    with pytest.raises(EnvironmentFailed, match="within 1 seconds"):
        await Installer({}, 1).run(["/bin/sh", "-c", script], tmp_path, log)
    await gone(int(log.text()))


async def test_cancelling_kills_the_group(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "told")
    told = os.open(tmp_path / "told", os.O_RDONLY | os.O_NONBLOCK)
    ready = asyncio.Event()
    asyncio.get_running_loop().add_reader(told, ready.set)
    script = "sleep 300 & echo $! > told; wait"
    run = Installer({}, 60).run(["/bin/sh", "-c", script], tmp_path, InstallLog())
    work = asyncio.create_task(run)
    await asyncio.wait_for(ready.wait(), 10)
    asyncio.get_running_loop().remove_reader(told)
    child = int(os.read(told, 100))
    os.close(told)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    await gone(child)


async def test_installers_hold_the_lock(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    log = InstallLog(held=(writer,))
    await Installer({}, 10).run(["/bin/ls", f"/proc/self/fd/{writer}"], tmp_path, log)
    assert log.text().strip() == f"/proc/self/fd/{writer}"
    os.close(reader)
    os.close(writer)


async def gone(pid: int) -> None:
    """Wait until a process has ended (it may stay as an unreaped entry of the table)."""
    for _ in range(500):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return
        if state == "Z":
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"process {pid} lives")


def test_explaining_what_uv_said() -> None:
    lines = ("Using Python 3", "  \u00d7 No solution found when", "  \u2502 resolving:")
    log = "\n".join((*lines, "  \u2570\u2500\u25b6 Because x was not found"))
    assert explain(log) == "No solution found when resolving: Because x was not found"
    assert explain("something\nelse") == "something else"
    assert len(explain("error: " + "x" * 1000)) == 500


def test_links_in_packages_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    refuse_links(tmp_path, InstallLog())
    (tmp_path / "a" / "link").symlink_to("/etc")
    with pytest.raises(EnvironmentFailed, match="'link'"):
        refuse_links(tmp_path, InstallLog())


def test_open_to_all(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir(mode=0o700)
    (inner / "secret").write_text("x")
    (inner / "tool").write_text("x")
    (inner / "secret").chmod(0o600)
    (inner / "tool").chmod(0o700)
    outside = tmp_path / "outside"
    outside.write_text("x")
    outside.chmod(0o600)
    (inner / "link").symlink_to(outside)
    assert open_to_all(inner) >= 1024
    modes = [stat.S_IMODE((inner / name).lstat().st_mode) for name in ("secret", "tool")]
    assert modes == [0o644, 0o755]
    assert stat.S_IMODE(outside.stat().st_mode) == 0o600


async def test_a_full_disk_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        inputs = ("x",)

        async def install(self, building: Path, content: Path, log: InstallLog) -> None:
            assert building.is_dir()
            raise OSError(28, "No space left on device")

    environments = UvEnvironments(tmp_path / "envs", tmp_path / "cache", environ={})
    (tmp_path / "envs").mkdir()
    with pytest.raises(EnvironmentFailed, match="the disk is full"):
        await environments._build("k", Full(), 0)
    assert list((tmp_path / "envs").iterdir()) == []
