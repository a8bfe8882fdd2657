"""Commands that work on this machine itself: local runs, doctor, settings, backup, prune."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fyke.storage.sql import results
from fyke.storage.sql.state import schema
from support.booted import PLAIN_UID, booted
from support.commands import Cli
from support.projects import zoo

MIGRATIONS = Path(schema.__file__).parent / "migrations" / "versions"
ROWS_MIGRATIONS = Path(results.__file__).parent / "migrations" / "versions"
NEWEST_STATE = max(file.name.partition("_")[0] for file in MIGRATIONS.glob("s*.py"))
NEWEST_ROWS = max(file.name.partition("_")[0] for file in ROWS_MIGRATIONS.glob("r*.py"))
ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


@pytest.fixture
def trial() -> Iterator[Path]:
    """A folder that other users may traverse, unlike those of pytest."""
    folder = Path(tempfile.mkdtemp(prefix="fyke-e2e-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


def test_a_worker_can_be_run_without_a_server(cli: Cli, hello: Path, tmp_path: Path) -> None:
    out, err = cli.process("worker", "run", hello)
    assert json.loads(out)["url"] == "https://example.com/"
    assert "Running..." in err
    assert "succeeded (1 row" in err
    file = tmp_path / "rows.csv"
    ended = cli.process_json("worker", "run", hello, "--output", file)
    assert (ended["state"], ended["results"], ended["output"]) == ("succeeded", 1, str(file))
    assert file.read_text().startswith("url,status")
    assert 'field "urls"' in cli.process("worker", "run", hello, "-i", '{"urls": 5}', code=2)[1]
    assert "--output" in cli.run("worker", "run", hello, "-o", "x.doc", code=2)[1]


@pytest.mark.long
def test_a_failed_local_run_is_reported(cli: Cli, hello: Path, tmp_path: Path) -> None:
    archive = tmp_path / "raises.zip"
    archive.write_bytes(zoo("raises"))
    out, err = cli.process("worker", "run", archive, code=1)
    assert out == ""
    assert "price not found" in err
    assert "1 row of failed subtasks hidden" in err
    kept = cli.process_json("worker", "run", archive, code=1, env={"FYKE_FAILED_ROWS": "keep"})
    assert (kept["state"], len(kept["rows"])) == ("failed", 1)


@pytest.mark.long
def test_a_local_run_reaches_only_the_declared_sites(cli: Cli, tmp_path: Path) -> None:
    """Also dependencies that run code during installation, which require permission."""
    archive = tmp_path / "declared.zip"
    there = ("-i", '{"url": "http://undeclared.example/"}')
    declared = '{"egress": ["example.com"], "install": "build"}'
    archive.write_bytes(zoo("fetches", **{"fyke.json": declared}))
    assert "has not allowed that" in cli.process("worker", "run", archive, *there, code=1)[1]
    out, err = cli.process("worker", "run", archive, *there, "--allow-builds")
    assert "403" in json.loads(out)["error"]
    assert "succeeded (1 row" in err


@pytest.mark.long
def test_an_interrupted_local_run_leaves_no_files(cli: Cli, tmp_path: Path) -> None:
    archive = tmp_path / "never.zip"
    archive.write_bytes(zoo("never_exits"))
    running = cli.start("worker", "run", archive, start_new_session=True)
    assert running.stderr is not None
    for line in running.stderr:
        if "Running..." in line:
            break
    os.killpg(running.pid, signal.SIGINT)
    running.communicate(timeout=60)
    assert running.returncode == 130
    local = cli.platform.home / "local"
    assert [path.name for path in local.iterdir() if path.name.startswith("job-")] == []
    assert list((local / "0" / "work").iterdir()) == []
    assert not (local / "0" / "state.db").exists()


def test_the_doctor_checks_this_machine(cli: Cli, tmp_path: Path) -> None:
    level = cli.platform.isolation()
    status = 0 if level == "full" else 1
    out, _ = cli.process("doctor", code=status)
    assert f"Sandbox: {level}" in out
    assert f"{cli.platform.url} answers" in out
    seen = cli.process_json("doctor", code=status)
    assert (seen["ok"], seen["level"]) == (status == 0, level)


@pytest.mark.long
@ROOT_ONLY
def test_the_doctor_requires_no_root(cli: Cli, hello: Path, trial: Path) -> None:
    """The same commands as a plain user who owns only a folder."""
    home = trial / "plain"
    home.mkdir()
    os.chown(home, PLAIN_UID, PLAIN_UID)
    project = trial / "project"
    shutil.copytree(hello, project)
    me: dict[str, Any] = {
        "user": PLAIN_UID,
        "group": PLAIN_UID,
        "extra_groups": [],
        "cwd": "/",
        "env": {"HOME": str(home), "FYKE_HOME": str(home / ".fyke")},
    }
    rows = home / "rows.jsonl"
    err = cli.process("worker", "run", project, "--output", rows, **me)[1]
    assert json.loads(rows.read_text())["url"] == "https://example.com/"
    assert "cannot limit cpu and memory hard" in err
    assert rows.stat().st_mode & 0o777 == 0o644
    url = cli.platform.url  # any server that accepts connections
    registries = {"UV_DEFAULT_INDEX": url, "npm_config_registry": url, "GOPROXY": "off"}
    seen = cli.process_json("doctor", code=1, **me | {"env": me["env"] | registries})
    assert seen["level"] == "no-limits"
    wrong = [check for check in seen["checks"] if check["state"] != "ok"]
    # a machine with Chromium need not have its fonts
    wrong = [check for check in wrong if check["name"] != "fonts"]
    assert [check["name"] for check in wrong] == ["limits"]
    assert "script/up" in wrong[0]["remedy"]
    system = me | {"env": me["env"] | {"FYKE_HOME": str(cli.platform.home)}}
    refused = cli.process("run", "list", code=4, **system)[1]
    assert "may not be read by this user" in refused and "--url and --key" in refused


def test_the_settings_are_shown(cli: Cli) -> None:
    values = cli.json("config", "show", "--origin")
    assert values["work_mb"] == {"value": 64, "origin": "environment (FYKE_WORK_MB)"}
    assert "durability" in cli.run("config", "show")[0]


def test_an_installation_is_no_node(cli: Cli) -> None:
    refused = cli.run("node", "up", code=5)[1]
    assert f"The folder {cli.platform.home} is not that of a node: join" in refused


def test_the_version_command_shows_all_versions(cli: Cli) -> None:
    out = cli.process("--version")[0]
    assert sys.version.split()[0] in out
    assert f"schema {NEWEST_STATE}" in out


@pytest.mark.long
@pytest.mark.needs("node")  # where Workers in Node.js are published on the shared platform
def test_a_backup_can_be_restored_to_a_new_folder(cli: Cli, ended: str, trial: Path) -> None:
    assert cli.run("db", "check")[1] == "No problems found.\n"
    assert cli.json("db", "check") == {"ok": True, "findings": []}
    file = trial / "fyke.tar.zst"
    assert cli.process("backup", "create", file)[0] == f"{file}\n"
    assert file.stat().st_mode & 0o777 == 0o600
    assert "already exists" in cli.run("backup", "create", file, code=5)[1]
    assert cli.json("backup", "create", trial / "again.tar.gz")["database"] == "sqlite"
    assert cli.json("backup", "verify", file)["findings"] == []
    assert "No problems found" in cli.run("backup", "verify", trial / "again.tar.gz")[1]
    assert cli.run("restore", file, "--replace", code=5)[1].count("already running") == 1
    with booted(start=False) as other:
        other.home = trial / "restored"
        assert Cli(other).process_json("restore", file, "--home", other.home)["files"] > 3
        assert "not empty" in cli.run("restore", file, "--home", other.home, code=5)[1]
        replaced = Path(Cli(other).process_json("restore", file, "--replace")["replaced"])
        assert (replaced / "state.db").exists()
        assert Cli(other).json("db", "migrate") == {"state": NEWEST_STATE, "rows": NEWEST_ROWS}
        assert "no conversion" in Cli(other).run("db", "convert", code=5)[1]
        other.start()
        (unused := other.home / "cache" / "bundles" / "of-no-version").mkdir()
        assert str(unused) in [item["path"] for item in Cli(other).json("prune")["items"]]
        assert unused.exists()
        Cli(other).run("prune", "--yes")
        assert not unused.exists()
        assert other.detail(ended)["status"] == 3
        assert other.rows(ended) == cli.platform.rows(ended)
        again = Cli(other).json("run", "rerun", ended, "--wait")
        assert again["state"] == "succeeded"
        other.stop()
        assert Cli(other).json("db", "check")["ok"] is True
        assert "blobs already" in Cli(other).run("db", "copy-blobs")[1]
        assert "is not a restored copy" in Cli(other).run("db", "accept-blobs", code=5)[1]
        former = (other.home / "owner.key").read_text()
        assert "owner.key" in Cli(other).json("db", "owner-key")["owner_key_file"]
        assert (other.home / "owner.key").read_text() != former
        (other.home / "secret.key").unlink()
        assert "is now the secret" in Cli(other).run("db", "accept-secret")[1]
        assert (other.home / "secret.key").exists()
        (other.home / "rows.db").unlink()
        assert "rows.db" in Cli(other).run("db", "check", code=1)[0]
        assert Cli(other).json("db", "accept-lost-rows") == {"home": str(other.home)}
        assert Cli(other).json("db", "check")["ok"] is True
