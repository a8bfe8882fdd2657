"""The code snippets of the console, run unchanged against a live server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fyke.model.run import RunFilter
from fyke.snippets.render import FILE, LANGUAGES, MAX_INLINE, Start, body_text, snippet
from support.served import Served, served

CUSTOM = {
    "urls": [{"url": "https://a.example/?a='b'&c=\"d\""}],
    "max_results": 2**70,
    "note": "`$(exit 7)` ${x} \\' ''' \"\"\" é漢\U0001f41f \u2028 \nJSON\n",
}
COMMANDS = {
    "curl": ["sh"],
    "python": [sys.executable],
    "node": ["node"],
    "php": ["php"],
    "java": ["java"],
    "go": ["go", "run"],
}


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory, templates: Path) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("served"), templates) as server:
        server.do(server.app.publish())
        yield server


async def newest_input(server: Served) -> Any:
    app = server.app
    _, runs = await app.storage.read(
        lambda tx: tx.runs.page(app.owner.account_id, RunFilter(), offset=0, limit=1)
    )
    return runs[0].id, json.loads(runs[0].input_json)


def run_snippet(live: Served, language: str, folder: Path, custom: dict[str, Any]) -> None:
    full_input = {"parameters": {"system": {"memory": 1024}, "custom": custom}}
    start = Start(live.base_url, live.app.owner.account_name, "reader", full_input)
    name = next(item.file for item in LANGUAGES if item.id == language)
    (folder / name).write_text(snippet(language, start), encoding="utf-8")
    (folder / FILE).write_text(body_text(start), encoding="utf-8")
    completed = subprocess.run(
        [*COMMANDS[language], name],
        cwd=folder,
        env={**os.environ, "FYKE_KEY": live.app.owner_key},
        capture_output=True,
        timeout=110,
        check=False,
    )
    assert completed.returncode == 0, (
        completed.stderr.decode()[-2000:] + completed.stdout.decode()[-500:]
    )
    run_id, run_input = live.do(newest_input(live))
    assert run_id in completed.stdout.decode()
    assert run_input == custom


@pytest.mark.needs("{language}")
@pytest.mark.parametrize("language", ["curl", "python", "node"])
def test_a_snippet_starts_a_run_with_the_exact_input(
    live: Served, language: str, tmp_path: Path
) -> None:
    run_snippet(live, language, tmp_path, CUSTOM)


@pytest.mark.long
@pytest.mark.parametrize("long", [False, True])
@pytest.mark.parametrize("language", list(COMMANDS))
@pytest.mark.needs("{language}")
def test_the_snippet_of_every_language_starts_a_run_with_its_input(
    live: Served, language: str, long: bool, tmp_path: Path
) -> None:
    run_snippet(live, language, tmp_path, {**CUSTOM, "more": "x" * (MAX_INLINE if long else 1)})
