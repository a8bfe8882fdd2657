"""Commands are imported when they are used, and look as if they all were imported."""

from __future__ import annotations

import json
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
import typer
from typer.core import TyperGroup
from typer.testing import CliRunner

from fyke.cli.main import app

NO_RUNS = {
    "list": [],
    "count": 0,
    "count_is_minimum": False,
    "page_size": 20,
    "next_cursor": "",
    "previous_cursor": "",
    "looked_back_to": 0,
}

# Prints which of the modules in argv are imported after the command in the last argument.
IMPORTED = """
import json, sys
from fyke.cli.main import main
heavy, sys.argv = sys.argv[1].split(), ["fyke", *json.loads(sys.argv[2])]
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
print(sorted(set(heavy) & set(sys.modules)), file=sys.stderr)
"""


class _Server(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = json.dumps({"code": 0, "message": "success", "data": NO_RUNS}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


def _root() -> TyperGroup:
    root = typer.main.get_command(app)
    assert isinstance(root, TyperGroup)
    return root


@pytest.mark.parametrize("width", [*range(40, 180, 7)])
def test_the_help_lists_commands_as_if_they_were_imported(width: int) -> None:
    root = _root()
    context = typer.Context(root, info_name="fyke", terminal_width=width, max_content_width=width)
    listed, imported = context.make_formatter(), context.make_formatter()
    root.format_commands(context, listed)
    TyperGroup.format_commands(root, context, imported)
    assert listed.getvalue() == imported.getvalue()
    assert "\n  run       Runs: " in listed.getvalue()


@pytest.mark.parametrize("first", ["fyke.cli.callback", "fyke.cli.run_results", "fyke.cli.run"])
@pytest.mark.slow
def test_commands_of_a_group_have_one_order(first: str) -> None:
    code = f"import {first}\nfrom fyke.cli.main import main\nmain()"
    done = subprocess.run(
        [sys.executable, "-c", code, "run", "--help"], capture_output=True, text=True, check=True
    )
    listed = [line.split()[0] for line in done.stdout.partition("Commands:")[2].splitlines()[1:]]
    assert [name for name in listed if name in ("start", "results", "sites", "deliveries")] == [
        "start",
        "results",
        "sites",
        "deliveries",
    ]


@pytest.mark.parametrize(
    ("words", "suggestion"), [(["runn"], "Did you mean 'run'"), (["run", "lst"], "'list'")]
)
def test_a_wrong_name_gets_a_suggestion(words: list[str], suggestion: str) -> None:
    answer = CliRunner().invoke(app, words)
    assert answer.exit_code == 2
    assert suggestion in answer.output


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments", [["--help"], ["help", "run"], ["run", "--help"], ["run", "list"]]
)
def test_a_command_imports_only_what_it_needs(arguments: list[str]) -> None:
    heavy = [
        *("pydantic", "httpx2", "sqlalchemy", "alembic", "starlette", "uvicorn", "asyncio", "rich"),
        *("fyke.settings", "fyke.app", "fyke.contracts", "fyke.cli.worker", "fyke.cli.doctor"),
        *(
            "fyke.wire",
            "fyke_client.types.v1",
            "fyke_client.types.rows",
            "fyke.model.results",
            "fyke.model.log",
            "hashlib",
        ),
        *(["msgspec", "fyke_client", "fyke.domain"] if "list" not in arguments else []),
    ]
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Server)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        done = subprocess.run(
            [sys.executable, "-c", IMPORTED, " ".join(heavy), json.dumps(arguments)],
            env={"FYKE_URL": f"http://127.0.0.1:{server.server_port}", "FYKE_KEY": "key"},
            capture_output=True,
            text=True,
            timeout=60,
        )
    finally:
        server.shutdown()
        server.server_close()
    assert (done.returncode, done.stderr.splitlines()[-1]) == (0, "[]"), done.stderr
