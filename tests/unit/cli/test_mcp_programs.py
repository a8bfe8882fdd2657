"""The configuration files of programs: entries are added and replaced, the rest stays."""

from __future__ import annotations

import json
import tomllib

import pytest

from fyke.cli.mcp_programs import PROGRAMS, UnreadableConfig

COMMAND = ["/opt/fyke", "mcp", "serve"]


@pytest.mark.parametrize(("program", "member"), [("claude", "mcpServers"), ("vscode", "servers")])
def test_an_entry_is_added_to_json_and_the_rest_stays(program: str, member: str) -> None:
    edit = PROGRAMS[program].edit
    before = '{\n    "z": "ü",\n    "MEMBER": {"other": {"command": "x"}}\n}\n'.replace(
        "MEMBER", member
    )
    after = edit(before, COMMAND)
    document = json.loads(after)
    assert list(document) == ["z", member]
    assert list(document[member]) == ["other", "fyke"]
    entry = document[member]["fyke"]
    assert (entry["command"], entry["args"], entry["type"]) == ("/opt/fyke", COMMAND[1:], "stdio")
    assert after.startswith('{\n    "z": "ü"')
    assert edit(after, COMMAND) == after
    assert json.loads(edit("", COMMAND))[member].keys() == {"fyke"}


def test_an_entry_is_added_to_toml_and_replaced() -> None:
    edit = PROGRAMS["codex"].edit
    before = '# mine\nmodel = "x"\n\n[mcp_servers.other]\ncommand = "y"\n'
    after = edit(before, COMMAND)
    assert after.startswith(before)
    changed = edit(after + '\n[mcp_servers.fyke.env]\nA = "1"\n\n[tui]\nb = 1\n', ["z"])
    assert tomllib.loads(changed) == {
        "model": "x",
        "mcp_servers": {"other": {"command": "y"}, "fyke": {"command": "z", "args": []}},
        "tui": {"b": 1},
    }


def test_comments_before_the_next_table_stay() -> None:
    edit = PROGRAMS["codex"].edit
    before = (
        '[mcp_servers.fyke]\ncommand = "x"\n# of our command\nargs = []\n\n# mine\n[tui]\nb = 1\n'
    )
    after = edit(before, COMMAND)
    assert "# mine\n[tui]\nb = 1\n" in after
    assert edit(after, COMMAND) == after


ENTRY = '{"command": "x", "args": ["--spend-cap", "1", "--spend-cap=2.5"]}'


@pytest.mark.parametrize(
    ("program", "text", "cap"),
    [
        ("cursor", f'{{"mcpServers": {{"fyke": {ENTRY}}}}}', "2.5"),
        ("vscode", f'\ufeff{{"servers": /* "a" */ {{"fyke": {ENTRY},}}, // {{\n}}', "2.5"),
        ("vscode", f'{{"servers": {{"a": "// not one,}}", // "fyke": {ENTRY}\n}}}}', ""),
        ("vscode", f'{{"servers": {{"fyke": {ENTRY}}}', None),
        ("vscode", '{"servers": {', ""),
        ("codex", 'mcp_servers = {fyke = {args = ["--spend-cap", "3"]}}', "3"),
        ("codex", 'mcp_servers.fyke = args = ["--spend-cap", "3"]', None),
    ],
)
def test_the_spend_cap_of_an_entry_is_read_for_sure_or_not(
    program: str, text: str, cap: str | None
) -> None:
    assert PROGRAMS[program].spend_cap(text) == cap


@pytest.mark.parametrize(
    ("program", "text"),
    [
        ("claude", '{"a": 1,}'),
        ("vscode", '// notes\n{"servers": {}}'),
        ("cursor", '{"mcpServers": []}'),
        ("cursor", '{"a": 1, "a": 2}'),
        ("cursor", "[]"),
        ("codex", "[mcp_servers"),
        ("codex", 'mcp_servers = {fyke = {command = "x"}}'),
        ("codex", 'mcp_servers = {other = {command = "x"}}'),
    ],
)
def test_a_file_that_cannot_be_changed_safely_is_refused(program: str, text: str) -> None:
    with pytest.raises(UnreadableConfig):
        PROGRAMS[program].edit(text, COMMAND)
