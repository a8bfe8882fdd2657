"""Output and errors of ``fyke db``."""

from __future__ import annotations

import json
from pathlib import Path

from support.commands import command


def test_an_intact_database_has_no_findings(home: Path) -> None:
    code, out, _ = command("db", "check", "--home", home, "--json")
    assert (code, json.loads(out)) == (0, {"ok": True, "findings": []})


def test_a_damaged_database_gives_exit_status_1(home: Path) -> None:
    (home / "rows.db").unlink()
    code, out, _ = command("db", "check", "--home", home, "--json")
    report = json.loads(out)
    assert (code, report["ok"]) == (1, False)
    assert report["findings"] == ["rows.db is damaged: the file is missing"]
    code, out, _ = command("db", "check", "--home", home)
    assert (code, out) == (1, "rows.db is damaged: the file is missing\n")


def test_migrating_reports_both_revisions(home: Path) -> None:
    code, out, _ = command("db", "migrate", "--home", home, "--json")
    assert code == 0
    assert {name: text[0] for name, text in json.loads(out).items()} == {"state": "s", "rows": "r"}


def test_the_command_names_of_0_1_0_still_back_up_and_restore(home: Path, tmp_path: Path) -> None:
    code, out, _ = command("db", "backup", tmp_path / "x.tgz", "--home", home, "--json")
    assert (code, json.loads(out)["database"]) == (0, "sqlite")
    code, out, _ = command(
        "db", "restore", tmp_path / "x.tgz", "--home", tmp_path / "new", "--json"
    )
    assert (code, json.loads(out)["replaced"]) == (0, None)
