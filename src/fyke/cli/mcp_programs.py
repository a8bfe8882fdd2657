"""The programs that can start ``fyke mcp``, and their configuration files.

A change adds or replaces one entry, and keeps the rest: JSON is written with the same members in
the same order, and in TOML all other lines stay as they are.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ENTRY = "fyke"  # the name of the server in every file
SPEND_CAP = "--spend-cap"  # option of the command in an entry
_TABLE = re.compile(r"^\s*\[")
_INDENT = re.compile(r"^\{\s*\n([ \t]+)\"")


class UnreadableConfig(ValueError):
    """A file that cannot be changed safely; the message says why."""


@dataclass(frozen=True, slots=True)
class McpProgram:
    """``place``: its file in a home. ``edit``: the text of the file with an entry for a command.
    ``arguments``: those of the entry in a text, which ``edit`` accepts; empty without an entry.
    """

    title: str
    place: Callable[[Path, str], Path]
    edit: Callable[[str, list[str]], str]
    arguments: Callable[[str], list[str]]

    def spend_cap(self, text: str) -> str:
        """The spend cap of the entry in ``text``, or nothing."""
        arguments = self.arguments(text)
        for option, value in zip(arguments, [*arguments[1:], ""], strict=False):
            if option == SPEND_CAP:
                return value
            if option.startswith(f"{SPEND_CAP}="):
                return option.partition("=")[2]
        return ""


def _in_home(*parts: str) -> Callable[[Path, str], Path]:
    return lambda home, platform: home.joinpath(*parts)


def _in_settings(*parts: str) -> Callable[[Path, str], Path]:
    """Below the folder in which programs with windows keep their settings."""

    def place(home: Path, platform: str) -> Path:
        folder = ("Library", "Application Support") if platform == "darwin" else (".config",)
        return home.joinpath(*folder, *parts)

    return place


# --- JSON ----------------------------------------------------------------------------------


def json_editor(member: str, **more: str) -> Callable[[str, list[str]], str]:
    """An edit of the object ``member``; ``more`` are further members of the entry."""

    def edit(text: str, command: list[str]) -> str:
        document = _json_document(text)
        servers = document.setdefault(member, {})
        if not isinstance(servers, dict):
            raise UnreadableConfig(f"its member {member} is not an object")
        servers[ENTRY] = {**more, "command": command[0], "args": command[1:]}
        found = _INDENT.match(text)
        indent = found[1] if found else "  "
        return json.dumps(document, indent=indent, ensure_ascii=False) + "\n"

    return edit


def json_arguments(member: str) -> Callable[[str], list[str]]:
    """Reads the arguments of our entry in the object ``member``."""
    return lambda text: _arguments(_json_document(text).get(member))


def _arguments(servers: object) -> list[str]:
    """The arguments of our entry among ``servers``."""
    entry = servers.get(ENTRY) if isinstance(servers, dict) else None
    arguments = entry.get("args") if isinstance(entry, dict) else None
    return [str(one) for one in arguments] if isinstance(arguments, list) else []


def _json_document(text: str) -> dict[str, Any]:
    if not text.strip():
        return {}
    try:
        document = json.loads(text, object_pairs_hook=_members)
    except ValueError as error:
        raise UnreadableConfig(f"it is not plain JSON: {error}") from None
    if not isinstance(document, dict):
        raise UnreadableConfig("it is not a JSON object")
    return document


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("an object has the same member twice")
    return members


# --- TOML ----------------------------------------------------------------------------------


def edit_codex(text: str, command: list[str]) -> str:
    """The text with the table ``mcp_servers.fyke``; other lines are not touched."""
    before = _toml_document(text)
    kept = _without_table(text.splitlines(keepends=True))
    table = (
        f"[mcp_servers.{ENTRY}]\n"
        f"command = {json.dumps(command[0])}\n"
        f"args = {json.dumps(command[1:])}\n"
    )
    body = "".join(kept).rstrip("\n")
    changed = f"{body}\n\n{table}" if body else table
    if _others(_toml_document(changed)) != _others(before):
        raise UnreadableConfig(f"its entry {ENTRY} is written in a way that cannot be replaced")
    return changed


def codex_arguments(text: str) -> list[str]:
    """The arguments of our entry."""
    return _arguments(_toml_document(text).get("mcp_servers"))


def _toml_document(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UnreadableConfig(f"it is not TOML: {error}") from None


def _without_table(lines: list[str]) -> list[str]:
    """Without our table and those inside it. Comments right before the next table belong to it."""
    kept: list[str] = []
    comments: list[str] = []
    ours = False
    for line in lines:
        if _TABLE.match(line):
            name = line.strip().strip("[]").replace('"', "").replace(" ", "")
            ours = name == f"mcp_servers.{ENTRY}" or name.startswith(f"mcp_servers.{ENTRY}.")
            if not ours:
                kept += comments
            comments = []
        if not ours:
            kept.append(line)
        elif not line.strip() or line.lstrip().startswith("#"):
            comments.append(line)
        else:
            comments = []
    return kept + comments


def _others(document: Mapping[str, Any]) -> dict[str, Any]:
    """All but our entry, and without the table of servers if it had no other."""
    rest = dict(document)
    servers = dict(rest.pop("mcp_servers", {}))
    servers.pop(ENTRY, None)
    return rest | ({"mcp_servers": servers} if servers else {})


# --- the programs --------------------------------------------------------------------------


def _with_json(
    title: str, place: Callable[[Path, str], Path], member: str, **more: str
) -> McpProgram:
    return McpProgram(title, place, json_editor(member, **more), json_arguments(member))


PROGRAMS: Mapping[str, McpProgram] = {
    "claude": _with_json("Claude Code", _in_home(".claude.json"), "mcpServers", type="stdio"),
    "claude-desktop": _with_json(
        "Claude Desktop", _in_settings("Claude", "claude_desktop_config.json"), "mcpServers"
    ),
    "cursor": _with_json("Cursor", _in_home(".cursor", "mcp.json"), "mcpServers"),
    "codex": McpProgram("Codex", _in_home(".codex", "config.toml"), edit_codex, codex_arguments),
    "vscode": _with_json(
        "Visual Studio Code", _in_settings("Code", "User", "mcp.json"), "servers", type="stdio"
    ),
}


def file_of(program: McpProgram, home: Path) -> Path:
    """Where the program keeps its configuration, with links followed."""
    return program.place(home, sys.platform).resolve()
