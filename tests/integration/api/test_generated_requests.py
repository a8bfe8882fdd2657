"""Requests generated from the tolerant document: none causes an internal error, and every answer
matches the document. The generator runs as a command against a listening server, as an author of a
client would run it.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from fyke.model.run import Origin
from support.app import App
from support.served import Served, served
from support.tolerant import tolerant

RULES = Path(__file__).parent / "generated" / "schemathesis.toml"


class Watch:
    """Wraps the application and counts the answers by status."""

    def __init__(self, asgi: Any) -> None:
        self._app = asgi
        self.statuses: Counter[int] = Counter()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def counting(message: Any) -> None:
            if message["type"] == "http.response.start":
                self.statuses[message["status"]] += 1
            await send(message)

        await self._app(scope, receive, counting)


async def create_objects(server: Served) -> dict[str, list[str]]:
    """Create one object of each kind that a path can name."""
    app = server.app
    worker = await app.publish()
    custom = {"urls": [{"url": "https://a.example"}]}
    task = await app.services.tasks.create(
        app.owner, worker.path, "T", {"parameters": {"custom": custom}}, None
    )
    runs = []
    for _ in range(2):
        run = await app.services.runs.start_task(app.owner, task.id, "", Origin.API)
        await app.execute([{"url": "https://a.example", "title": "A"}], log=["read"])
        runs.append(run.id)
    return {
        "workers": [worker.id, worker.path, f"{worker.path}x"],
        "runs": runs,
        "tasks": [task.id],
    }


async def keep_running(app: App) -> None:
    """Execute every started run, so that waiting requests return."""
    while True:
        await app.register_runner()
        await app.execute([{"url": "https://a.example", "title": "A"}], log=["read"])
        await asyncio.sleep(0.5)


def generate(
    server: Served,
    document: dict[str, Any],
    folder: Path,
    names: dict[str, list[str]],
    *options: str,
) -> subprocess.CompletedProcess[str]:
    lists = [f"[dictionaries.{kind}]\nvalues = {json.dumps(v)}\n" for kind, v in names.items()]
    rules = folder / "rules.toml"
    rules.write_text("\n".join([RULES.read_text(encoding="utf-8"), *lists]), encoding="utf-8")
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(rules), "run"]
    described = folder / "tolerant.json"
    described.write_text(json.dumps(document), encoding="utf-8")
    place = [str(described), f"--url={server.base_url}"]
    return subprocess.run(
        [*command, *place, "--checks=all", "--no-color", *options],
        env={**os.environ, "FYKE_TEST_KEY": server.app.owner_key},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=3600,
    )


@pytest.mark.slow
@pytest.mark.timeout(3700)
@pytest.mark.parametrize(
    ("options", "every", "at_least"),
    [
        pytest.param(["--phases=fuzzing", "--max-examples=1"], 4, 50, id="share"),
        pytest.param(
            ["--phases=examples,coverage,fuzzing", "--max-examples=68"],
            1,
            10_000,
            id="all",
            marks=pytest.mark.long,
        ),
    ],
)
def test_every_answer_matches_the_document(
    tmp_path: Path, templates: Path, options: list[str], every: int, at_least: int
) -> None:
    """Only every ``every``-th path is tested, because a time limit would depend on the machine."""
    watches: list[Watch] = []
    asgi_apps: list[Any] = []

    def around(asgi: Any) -> Watch:
        asgi_apps.append(asgi)
        watches.append(Watch(asgi))
        return watches[0]

    with served(
        tmp_path, templates, around=around, sync_wait_seconds=0.01, guesses=10**9
    ) as server:
        names = server.do(create_objects(server))
        document = tolerant(asgi_apps[0].openapi(), asgi_apps[0].operations)
        document["paths"] = dict(islice(document["paths"].items(), 0, None, every))
        runner = asyncio.run_coroutine_threadsafe(keep_running(server.app), server.loop)
        completed = generate(
            server,
            document,
            tmp_path,
            names,
            "--seed=3",
            "--warnings=off",
            "--request-timeout=30",
            *options,
        )
        assert not runner.done()
        runner.cancel()
    assert completed.returncode == 0, completed.stdout[-20_000:] + completed.stderr
    statuses = watches[0].statuses
    assert sum(statuses.values()) >= at_least, statuses
    assert not [status for status in statuses if status >= 500 and status != 503], statuses
