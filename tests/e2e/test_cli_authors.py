"""What authors and agents do with the command line: checks of a project, and why a run ended."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import pytest

from support.commands import Cli
from support.projects import python_project
from support.sites import counting_site

pytestmark = pytest.mark.needs("bwrap")


def test_the_examples_of_a_project_are_run_and_checked(cli: Cli, hello: Path) -> None:
    tested = cli.process_json("worker", "test", hello)
    [example] = tested["examples"]
    assert (example["name"], example["passed"], example["rows"]) == ("defaults", True, 1)
    assert "no such example" in cli.process("worker", "test", hello, "--example", "none", code=3)[1]


def test_a_project_is_verified_as_the_platform_would_install_it(
    cli: Cli, hello: Path, tmp_path: Path
) -> None:
    project = tmp_path / "hello"
    shutil.copytree(hello, project)
    (project / "examples").mkdir()
    with counting_site() as site:
        there = ("--egress-allow", site.target)
        (project / "examples" / "first.json").write_text(json.dumps({"urls": [site.url("/a")]}))
        verified = cli.process_json("worker", "verify", project, *there)
        assert all(check["passed"] for check in verified["checks"])
        few = cli.process("worker", "verify", project, *there, "--min-rows", "2", code=1)
    assert "2" in few[0] + few[1]


@pytest.mark.long
def test_local_rows_are_compared_with_those_of_the_platform(cli: Cli, hello: Path) -> None:
    same = cli.process_json("worker", "prove", "owner/hello", "--project", hello)
    assert same["equal"] is True
    cli.process("worker", "prove", "owner/nobody", "--project", hello, code=3)


def test_a_version_becomes_the_current_one_and_has_a_tag(cli: Cli, tmp_path: Path) -> None:
    def push(text: str, *words: str) -> None:
        file = tmp_path / "steps.zip"
        file.write_bytes(python_project(f"print({text!r})\n"))
        cli.json("worker", "push", file, "--name", "steps", *words)

    def versions() -> dict[str, tuple[bool, list[str]]]:
        listed = cli.json("worker", "versions", "owner/steps")
        return {version["version"]: (version["latest"], version["tags"]) for version in listed}

    push("first")
    push("second", "--keep-current")
    assert versions() == {"v1.0.2": (False, []), "v1.0.1": (True, [])}
    cli.run("worker", "tag", "owner/steps", "beta", "v1.0.2")
    asked = cli.run("worker", "promote", "owner/steps", "v1.0.2", code=2)[1]
    assert "Now: v1.0.1. Then: v1.0.2." in asked and "--yes" in asked
    assert cli.json("worker", "promote", "owner/steps", "v1.0.2", "--yes")["version"] == "v1.0.2"
    assert versions() == {"v1.0.2": (True, ["beta"]), "v1.0.1": (False, [])}
    assert "v1.0.1 is the current" in cli.run("worker", "promote", "owner/steps", "v1.0.1", "-y")[1]
    cli.run("worker", "tag", "owner/steps", "beta", "--remove", "--yes")
    cli.run("worker", "tag", "owner/steps", "beta", "--remove", "--yes", code=3)
    assert versions() == {"v1.0.2": (False, []), "v1.0.1": (True, [])}


def test_a_run_is_explained_by_one_archive(cli: Cli, ended: str, tmp_path: Path) -> None:
    file = tmp_path / "why.zip"
    cli.run("run", "diagnose", ended, "--output", file)
    with zipfile.ZipFile(file) as archive:
        assert {"diagnosis.md", "run.json"} <= set(archive.namelist())
        assert ended in archive.read("diagnosis.md").decode()
    cli.run("run", "diagnose", "01JG0000000000000000000000", "-o", tmp_path / "x", code=3)


def test_an_agent_is_served_with_the_key_that_was_installed(cli: Cli, tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path)}
    cli.process("mcp", "install", "cursor", "--yes", env=home)
    entry = json.loads((tmp_path / ".cursor" / "mcp.json").read_text())["mcpServers"]["fyke"]
    connection = entry["args"][entry["args"].index("--connection") + 1]
    assert Path(connection).stat().st_mode & 0o777 == 0o600
    cli.process("mcp", "serve", "--connection", connection, env=home)  # until its input ends
