"""The archive of ``fyke doctor --bundle``."""

from __future__ import annotations

import base64
import io
import json
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from fyke.app import diagnostics
from fyke.app.configuration import masked
from fyke.app.node_folder import write_node
from fyke.cli import doctor, doctor_bundle
from fyke.cli.doctor_bundle import Bundle, SecretFound, refuse_secrets
from fyke.cli.doctor_result import OK, CheckResult
from fyke.cli.errors import CommandFailed
from fyke.cli.main import app
from fyke.settings import Settings
from fyke.settings.shared import SECRET
from support.node_folders import a_node

PASSWORD = "Xq7vLw93"  # of each setting, with its name
FILES = {"secret.key": "ab" * 32, "owner.key": "scraper_api_0123ABCDEFGHIJKLMNOPQRST"}
LINK = "http://127.0.0.1:8100/welcome#4FhQk2nXr8sVwYz7"


def secret_settings() -> dict[str, str]:
    """A value for each setting that may contain a secret, as it is written in the environment."""
    values = {}
    for name, field in Settings.model_fields.items():
        example = field.examples[0]
        if field.annotation is SecretStr:
            values[name] = f"{PASSWORD}-{name}-2nd"
        elif name in SECRET or masked(example) != example:
            before, _, host = example.rpartition("@")
            values[name] = f"{before[: before.rindex(':')]}:{PASSWORD}%2F{name}@{host}"
    return values


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No check starts a program or asks a registry."""
    for name in ("check_machine", "check_registries", "check_browser", "check_blobs"):
        monkeypatch.setattr(doctor, name, lambda *_: iter([CheckResult("one", OK, "a check")]))
    monkeypatch.setattr(doctor, "check_isolation", lambda *_: ("full", "", []))
    monkeypatch.setenv("PATH", "/nowhere")  # no journal
    monkeypatch.setenv("FYKE_PORT", "0")


def bundle(home: Path, file: Path, *options: str) -> tuple[Any, dict[str, bytes]]:
    """The answer of the command, and the files of the archive."""
    command = ["doctor", "--bundle", str(file), "--home", str(home), *options]
    answer = CliRunner().invoke(app, command)
    if not file.exists():
        return answer, {}
    with tarfile.open(file) as archive:
        files = {}
        for entry in archive.getmembers():
            content = archive.extractfile(entry)
            assert content is not None
            files[entry.name.rpartition("/")[2]] = content.read()
    return answer, files


@pytest.mark.usefixtures("quick")
def test_no_secret_of_an_installation_is_in_the_archive(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = secret_settings()
    assert set(values) == {
        *("database_url", "smtp_url", "egress_upstreams", "metrics_token", "s3_secret")
    }
    for name, value in values.items():
        monkeypatch.setenv(f"FYKE_{name.upper()}", value)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", f"{PASSWORD}aws")
    monkeypatch.setenv("HTTPS_PROXY", f"http://me:{PASSWORD}proxy@proxy.example.com:3128")
    for name, value in FILES.items():
        (home / name).write_text(value)
    (home / "setup-link").write_text(LINK)
    known = [*values.values(), *FILES.values(), LINK, LINK.partition("#")[2]]
    encoded = [base64.b64encode(value.encode()).decode() for value in known]
    (home / "fyke.log").write_text("\n".join(["started", *known, *encoded]))
    answer, files = bundle(home, tmp_path / "b.tar.gz")
    assert answer.exit_code == 0, answer.stderr
    everything = b"\n".join(files.values())
    for secret in (PASSWORD, *FILES.values(), LINK.partition("#")[2], f"%2F{PASSWORD}"):
        assert secret.encode() not in everything
    assert b"started" in files["fyke.log"]
    settings = json.loads(files["settings.json"])
    assert set(settings) == set(Settings.model_fields)
    assert settings["metrics_token"]["origin"] == "environment (FYKE_METRICS_TOKEN)"


@pytest.mark.usefixtures("quick")
def test_it_has_findings_settings_migrations_numbers_and_a_manifest(
    home: Path, tmp_path: Path
) -> None:
    file = tmp_path / "b.tar.gz"
    answer, files = bundle(home, file)
    assert (answer.exit_code, answer.stdout) == (0, f"{file}\n")
    assert file.stat().st_mode & 0o777 == 0o600
    assert {"doctor.txt", "doctor.json", "versions.json", "machine.json"} < set(files)
    assert json.loads(files["migrations.json"])["up_to_date"] is True
    assert json.loads(files["runs.json"])["by_state"] == {}
    assert json.loads(files["machines.json"])["nodes"] == []
    assert b"fyke_database_up 1\n" in files["metrics.txt"]
    assert "opentelemetry" not in files["doctor.txt"].decode()
    lines = files["MANIFEST.txt"].decode().splitlines()
    for name in set(files) - {"MANIFEST.txt"}:
        [line] = [line for line in lines if line.startswith(f"{name}  ")]
        assert f"{len(files[name])} bytes" in line
    assert any(line.startswith("health.json  missing: no server") for line in lines)
    assert "Rows, inputs and logs of runs" in answer.stderr
    assert "log: missing" in answer.stderr


@pytest.mark.usefixtures("quick")
def test_a_database_that_is_away_is_named_as_missing(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FYKE_DATABASE_URL", f"postgresql://fyke:{PASSWORD}@127.0.0.1:9/fyke")
    answer, files = bundle(home, tmp_path / "b.tar.gz", "--json")
    assert answer.exit_code == 0, answer.stderr
    report = json.loads(answer.stdout)
    assert {"migrations.json", "runs.json", "metrics.txt"} < set(report["missing"])
    assert "cannot be reached" in report["missing"]["runs.json"]
    assert report["files"]["machine.json"] == len(files["machine.json"])
    assert set(files) == {*report["files"], "MANIFEST.txt"}


@pytest.mark.usefixtures("quick")
def test_each_part_is_there_or_named_as_missing(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise CommandFailed("There is no such user")

    monkeypatch.setattr(doctor_bundle, "as_owner", refused)
    answer, files = bundle(home, tmp_path / "b.tar.gz", "--json")
    missing = json.loads(answer.stdout)["missing"]
    assert {*files, *missing} - {"MANIFEST.txt", "log"} == set(doctor_bundle.DESCRIPTIONS)
    assert missing["migrations.json"] == "There is no such user"


@pytest.mark.usefixtures("quick")
def test_a_node_has_no_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(doctor, "check_node", lambda home: CheckResult("joined as node", OK, "yes"))
    home = tmp_path / "home"
    home.mkdir()
    node = a_node(("gateway.example.com:8110",))
    write_node(home, node)
    (home / "fyke.log").write_text(node.own.key)
    answer, files = bundle(home, tmp_path / "b.tar.gz")
    assert answer.exit_code == 0, answer.stderr
    assert b"joined as node" in files["doctor.txt"]
    assert b"runs.json  missing: a node has no server and no database" in files["MANIFEST.txt"]
    lines = node.own.key.splitlines()
    assert not any(line.encode() in files["fyke.log"] for line in lines[1:-1])


@pytest.mark.usefixtures("quick")
def test_nothing_is_written_if_a_secret_is_left(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unmasked(bundle: Bundle, secrets: object) -> None: ...

    monkeypatch.setattr(doctor_bundle, "mask", unmasked)
    (home / "fyke.log").write_text("ab" * 32)
    answer, files = bundle(home, tmp_path / "b.tar.gz")
    assert (answer.exit_code, files) == (1, {})
    assert "fyke.log still has the secret of secret.key" in str(answer.exception)


@pytest.mark.parametrize(
    "text",
    [
        "scraper_api_0123ABCDEF",
        "whsec_abc",
        "fyken_abc.def",
        "-----BEGIN EC PRIVATE KEY-----",
        "postgresql://fyke:pw@db/fyke",
    ],
)
def test_what_looks_like_a_key_is_refused_although_it_is_not_known(text: str) -> None:
    with pytest.raises(SecretFound):
        refuse_secrets({"a.txt": f"x {text} y".encode()}, {})
    refuse_secrets({"a.txt": b"postgresql://fyke:***@db/fyke scraper_api_0123*** whsec_***"}, {})


@pytest.mark.usefixtures("quick")
def test_a_check_that_cannot_be_done_costs_only_its_own_part(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("unforeseen")

    monkeypatch.setattr(doctor, "check_machine", broken)
    monkeypatch.setattr(diagnostics, "machine_facts", broken)
    answer, files = bundle(home, tmp_path / "b.tar.gz")
    assert answer.exit_code == 0, answer.stderr
    assert b"RuntimeError: unforeseen" in files["doctor.txt"]
    assert b"machine.json  missing: unforeseen" in files["MANIFEST.txt"]


@pytest.mark.parametrize(
    ("arguments", "code", "problem"),
    [
        (["x.tar.gz"], 2, "only with --bundle"),
        (["--bundle", "x.zip"], 2, "must end with .tar.gz"),
        (["--bundle", "missing/x.tar.gz"], 2, "is not a folder"),
        (["--bundle", "there.tar.gz"], 5, "already exists"),
    ],
)
def test_a_file_that_cannot_be_written_is_refused_first(
    arguments: list[str],
    code: int,
    problem: str,
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("there.tar.gz").write_bytes(b"")
    answer = CliRunner().invoke(app, ["doctor", *arguments, "--home", str(home)])
    error: Any = answer.exception
    assert (error.code, problem in str(error)) == (code, True)


def test_a_password_of_digits_is_masked_in_strings_only(tmp_path: Path) -> None:
    password = "123456"
    one = Bundle()
    one.add_part("runs.json", lambda: {"rows": 123456, "more": [0.5, None], "why": "p=123456"})
    one.add("b.txt", "x" * 123456, "a text whose size has these digits")
    file = tmp_path / "mine.tar.gz"
    doctor_bundle.write(file, one, {"PGPASSWORD": password})
    assert json.loads(one.files["runs.json"][0]) == {
        "rows": 123456, "more": [0.5, None], "why": "p=***",
    }  # fmt: skip
    for name in ("a.json", "a.txt", doctor_bundle.MANIFEST):
        with pytest.raises(SecretFound):
            refuse_secrets({name: b'{"a": "p=123456"}'}, {"PGPASSWORD": password})


def test_the_archive_is_one_folder(tmp_path: Path) -> None:
    one = Bundle()
    one.add("a.txt", "text\n", "a text")
    file = tmp_path / "mine.tar.gz"
    doctor_bundle.write(file, one, {})
    with tarfile.open(fileobj=io.BytesIO(file.read_bytes())) as archive:
        assert archive.getnames() == ["mine/MANIFEST.txt", "mine/a.txt"]
