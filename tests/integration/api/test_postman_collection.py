"""Postman's own runner loads the served collection and sends each of its requests."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import httpx2
import pytest

from support.served import served

RUNNER = "newman@6"


@pytest.mark.long
@pytest.mark.needs("npm")
def test_every_request_of_the_collection_is_sent_and_answered(
    tmp_path: Path, templates: Path
) -> None:
    install = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", RUNNER]
    subprocess.run(install, cwd=tmp_path, check=True, capture_output=True)
    with served(tmp_path, templates) as server:
        collection = httpx2.get(f"{server.base_url}/docs/api/postman.json").text
        (tmp_path / "collection.json").write_text(collection, encoding="utf-8")
        command = [tmp_path / "node_modules" / ".bin" / "newman", "run", "collection.json"]
        report = ["--reporters", "json", "--reporter-json-export", "report.json"]
        key = ["--env-var", f"api_key={server.app.owner_key}"]
        completed = subprocess.run(
            [*command, *key, *report], cwd=tmp_path, capture_output=True, text=True, timeout=100
        )
    assert completed.returncode == 0, completed.stdout + completed.stderr
    run = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["run"]
    assert run["failures"] == []
    assert run["stats"]["requests"]["total"] == collection.count('"request":{') > 90
    # /readyz is 503, because there is no runner; all other requests succeed, with a valid key
    codes = [execution["response"]["code"] for execution in run["executions"]]
    assert [code for code in codes if code >= 500] == [503]
    assert 401 not in codes
