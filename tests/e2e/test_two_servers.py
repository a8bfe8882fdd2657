"""Two servers on one PostgreSQL behind one address: clients cannot distinguish them from one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest

from support.booted import TLS
from support.projects import python_project, zoo
from support.receivers import Receiver, listening
from support.tools import SERVERS
from support.two_servers import BootedPair, answers, booted_pair

pytestmark = pytest.mark.needs("postgres")

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PARTS = 4  # of the suite, which run in parallel
# Tests of processes, users, nodes and databases, and these here: they choose their own servers.
OF_ONE_SERVER = (
    *("bad_day", "first_process", "many_machines", "plain_user"),
    *("postgres", "two_servers"),
)
# These test the runner, processes of a command, or a separate database.
WITHOUT_SERVERS = (
    *("examples", "generated_clients", "git_sandbox", "installing", "isolation_levels"),
    *("languages", "older_database", "small_machine", "stopping", "zoo"),
)
# A backup contains the files of SQLite, but nothing of PostgreSQL; only SQLite has no nodes; each
# server reports its own share of a rate, and remembers only its own clients that have read
# ``aborting``.
OF_ONE_DATABASE = (
    "test_cli_machine.py::test_a_backup_can_be_restored_to_a_new_folder",
    "test_cli.py::test_the_node_commands_on_sqlite",
    "test_cli.py::test_plans_and_rate_limits_are_set_and_shown",
    "test_strict.py::test_an_aborted_run_is_first_aborting_and_then_aborted",
)
SUCCEEDED, ABORTED = 3, 5
ROWS = 60
COUNTS = f"""
import time
from sdk import CoreSDK

for number in range({ROWS}):
    CoreSDK.Result.push_data({{"n": number}})
    time.sleep(0.02)
"""


@pytest.fixture(scope="module")
def pair() -> Iterator[BootedPair]:
    with booted_pair(work_mb="64", callback_allow="127.0.0.1/32") as platform:
        yield platform


@pytest.fixture(scope="module")
def quick(pair: BootedPair) -> str:
    """A worker that pushes three rows; uploaded to one server, used at both."""
    return pair.push(zoo("upserts"), "pair-quick")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with listening() as receiver:
        yield receiver


def send(
    pair: BootedPair, method: str, path: str, body: Any = None, *, at: str = "", **headers: str
) -> httpx2.Response:
    """Send a request to one of the two servers, or to the next in rotation."""
    return httpx2.request(
        method,
        (at or pair.url) + path,
        json=body,
        headers={"api-key": pair.key, **headers},
        timeout=60,
        verify=TLS,
    )


def data(pair: BootedPair, method: str, path: str, body: Any = None, **more: str) -> Any:
    answer = send(pair, method, path, body, **more)
    assert answer.json()["code"] == 0, answer.text
    return answer.json()["data"]


def at_once(work: Callable[[int], Any], times: int) -> list[Any]:
    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(work, range(times)))


def test_a_run_started_at_one_server_can_be_used_at_the_other(pair: BootedPair) -> None:
    one, other = pair.urls
    body = {"input": {}, "is_async": False}
    with httpx2.Client(base_url=one, headers={"api-key": pair.key}) as client:
        archive = {"scraper_file": ("w.zip", zoo("upserts"))}
        made = client.post("/api/v2/workers/owner~pair-sent/versions", files=archive)
    assert made.json()["code"] == 0, made.text
    for at in (other, one):
        waited = data(pair, "POST", "/api/v2/workers/owner~pair-sent/runs", body, at=at)
        assert (waited["run_status"], waited["results"]["count"]) == ("succeeded", 2)
    forever = pair.start_run(pair.push(zoo("pushes_forever"), "pair-forever"))
    path = f"/api/v2/worker-runs/{forever}"
    pair.wait_for(lambda: data(pair, "GET", path, at=other)["results"] > 0, "a row")
    data(pair, "POST", f"{path}/abort", at=other)
    assert pair.ended(forever)["status"] == ABORTED
    assert pair.relay is not None
    assert min(pair.relay.connections.values()) > 0


def test_a_start_key_starts_one_run_across_both_servers(pair: BootedPair, quick: str) -> None:
    path, key = f"/api/v2/workers/{quick}/runs", {"idempotency-key": "pair-start"}
    runs = at_once(lambda _: data(pair, "POST", path, {"input": {}}, **key)["run_slug"], 16)
    assert len(set(runs)) == 1
    for at in pair.urls:
        assert data(pair, "POST", path, {"input": {}}, at=at, **key)["run_slug"] == runs[0]
        refused = send(pair, "POST", path, {"input": {}, "limit": 1}, at=at, **key)
        assert (refused.status_code, refused.json()["code"]) == (409, 11000)
    assert pair.ended(runs[0])["status"] == SUCCEEDED


def test_a_plan_applies_to_both_servers(pair: BootedPair) -> None:
    key = pair.new_account("small")
    slug = pair.push(zoo("pushes_forever"), "pair-own", key=key)
    path = f"/api/v2/workers/{slug}/runs"
    found = at_once(lambda _: send(pair, "POST", path, {"input": {}}, **{"api-key": key}), 12)
    assert Counter(answer.json()["code"] for answer in found) == {0: 2, 30003: 10}
    for answer in found:
        if answer.json()["code"] == 0:
            run = answer.json()["data"]["run_slug"]
            data(pair, "POST", f"/api/v2/worker-runs/{run}/abort", **{"api-key": key})


def test_a_schedule_fires_once_although_both_servers_check_it(pair: BootedPair, quick: str) -> None:
    tasks = [
        data(
            pair,
            "POST",
            "/api/v2/worker-tasks",
            {"worker_id": quick, "title": f"due {number}", "input": {}},
        )["slug"]
        for number in range(8)
    ]
    for task in tasks:
        every = {"kind": "interval", "every": 3600}
        data(pair, "PUT", f"/api/fyke/tasks/{task}/schedule", every)
    due = int(time.time()) * 1000
    marks = ", ".join("?" * len(tasks))
    pair.change_state(f"UPDATE schedules SET next_at = ? WHERE task_id IN ({marks})", due, *tasks)
    signals = {"kind": "daily", "time": "00:00"}
    other = {"worker_id": quick, "title": "signal", "input": {}}
    signalling = data(pair, "POST", "/api/v2/worker-tasks", other)["slug"]
    data(pair, "PUT", f"/api/fyke/tasks/{signalling}/schedule", signals)

    def fires(task: str) -> list[Any]:
        found: list[Any] = data(pair, "GET", f"/api/fyke/tasks/{task}/schedule/fires")["list"]
        return found

    for task in tasks:
        pair.wait_for(lambda task=task: fires(task), "the schedule to fire")
    for task in tasks:
        [fire] = fires(task)
        assert (fire["state"], fire["planned_at"]) == ("started", due // 1000)
        assert data(pair, "GET", f"/api/v2/worker-tasks/{task}")["run_times"] == 1
        assert pair.ended(fire["run_slug"])["status"] == SUCCEEDED
        data(pair, "DELETE", f"/api/v2/worker-tasks/{task}")


def test_callbacks_are_sent_once_and_in_order(
    pair: BootedPair, quick: str, receiver: Receiver
) -> None:
    path = f"/api/v2/workers/{quick}/runs"

    def start(number: int) -> str:
        body = {"input": {}, "callback_url": receiver.url(f"/pair-{number}")}
        return str(data(pair, "POST", path, body)["run_slug"])

    runs = [start(number) for number in range(6)]
    for run in runs:
        pair.wait_for(lambda run=run: _all_sent(pair, run), "its callbacks")
    for number, run in enumerate(runs):
        received = receiver.at(f"/pair-{number}")
        assert {one.data["run_slug"] for one in received} == {run}
        assert len({one.headers["webhook-id"] for one in received}) == len(received)
        # the start of a run is not reported after its end
        words = [one.data["run_status"] for one in received]
        assert words in (["running", "succeeded"], ["succeeded"])


def _all_sent(pair: BootedPair, run: str) -> bool:
    listed = data(pair, "GET", f"/api/fyke/runs/{run}/deliveries")["list"]
    ended = any(one["kind"] == "terminal" for one in listed)
    return ended and all(one["state"] in ("delivered", "superseded") for one in listed)


def test_the_rate_limit_of_a_key_applies_to_both_servers_together(pair: BootedPair) -> None:
    made = data(pair, "POST", "/api/fyke/keys", {"name": "slow", "rate_limit": 4})
    slow = {"api-key": made["key"]}
    for at in pair.urls:  # each server knows the key from its second request on
        assert send(pair, "GET", "/api/v2/users/account", at=at, **slow).status_code == 200
    began = time.monotonic()
    found = [send(pair, "GET", "/api/v2/users/account", **slow) for _ in range(40)]
    most = 8 + 4 * (time.monotonic() - began) + 2  # the burst, the refill over time, and rounding
    allowed = sum(answer.status_code == 200 for answer in found)
    assert 0 < allowed <= most
    refused = [answer for answer in found if answer.status_code == 429]
    assert refused
    assert {answer.json()["code"] for answer in refused} == {13000}
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
    policies = {answer.headers["ratelimit-policy"] for answer in found}
    assert policies == {'"default";q=4;w=2'}  # of the answering server


def test_a_stream_resumes_at_the_other_server(pair: BootedPair) -> None:
    run = pair.start_run(pair.push(python_project(COUNTS), "pair-counts"))
    rows: list[int] = []
    last, turn = "", 0
    while not last.endswith(".end"):
        at, turn = pair.urls[turn % 2], turn + 1
        last = _some_events(pair, at, run, last, rows, most=15)
    assert turn > 2
    assert rows == list(range(ROWS))


def _some_events(pair: BootedPair, at: str, run: str, last: str, rows: list[int], most: int) -> str:
    """Read events from ``at`` after the event ``last`` until ``most`` rows or the end; the
    rows are added to ``rows``, the id of the last event is returned."""
    headers = {"api-key": pair.key} | ({"last-event-id": last} if last else {})
    enough = len(rows) + most
    url = f"{at}/api/v2/worker-runs/{run}/events"
    with httpx2.stream("GET", url, headers=headers, timeout=60) as answer:
        assert answer.status_code == 200
        for line in answer.iter_lines():
            name, _, value = line.partition(": ")
            if name == "id":
                last = value
            elif name == "data":
                rows += [item["row"]["n"] for item in _rows(json.loads(value))]
            elif not line and len(rows) >= enough:
                return last
    return last


def _rows(event: dict[str, Any]) -> list[Any]:
    return [item for item in event.get("list", ()) if "row" in item]


def test_a_download_resumes_at_the_other_server(pair: BootedPair) -> None:
    run = pair.start_run(pair.push(python_project(COUNTS), "pair-counts"))
    assert pair.ended(run)["status"] == SUCCEEDED
    one, other = pair.urls
    for kind in ("csv", "xlsx", "jsonl"):
        path = f"/api/v2/worker-runs/{run}/result/export?format={kind}"
        link = data(pair, "GET", path, at=one)["download_url"].removeprefix(one)
        plain = {"accept-encoding": "identity"}  # a part of a compressed file cannot be decoded
        whole = httpx2.get(one + link, headers=plain)
        size = len(whole.content)
        begin = plain | {"range": f"bytes=0-{size // 2}"}
        rest = plain | {"range": f"bytes={size // 2 + 1}-", "if-range": whole.headers["etag"]}
        parts = [httpx2.get(other + link, headers=begin), httpx2.get(one + link, headers=rest)]
        parts += [httpx2.get(pair.url + link, headers=part) for part in (begin, rest)]
        assert [part.status_code for part in parts] == [206] * 4, kind
        assert {part.headers["etag"] for part in parts} == {whole.headers["etag"]}
        assert parts[0].content + parts[1].content == whole.content, kind
        assert parts[2].content + parts[3].content == whole.content, kind
    log = pair.call("/api/v1/run/last/log", {"run_slug": run})["all_logs_url"]
    texts = {httpx2.get(log.replace(pair.url, at)).text for at in pair.urls}
    assert len(texts) == 1


def test_a_revoked_key_is_refused_by_both_servers_within_a_second(pair: BootedPair) -> None:
    one, other = pair.urls
    made = data(pair, "POST", "/api/fyke/keys", {"name": "short"}, at=one)
    used = {"api-key": made["key"]}
    for at in pair.urls:
        assert send(pair, "GET", "/api/v2/users/account", at=at, **used).status_code == 200
    data(pair, "DELETE", f"/api/fyke/keys/{made['id']}", at=one)
    revoked = time.monotonic()
    assert send(pair, "GET", "/api/v2/users/account", at=one, **used).status_code == 401
    while send(pair, "GET", "/api/v2/users/account", at=other, **used).status_code == 200:
        assert time.monotonic() - revoked < 1.5, "it is remembered for a second at most"


@pytest.mark.long
def test_one_of_the_servers_may_end(pair: BootedPair, quick: str) -> None:
    pair.kill_role("server")
    runs = [pair.start_run(quick) for _ in range(4)]
    assert {pair.ended(run)["status"] for run in runs} == {SUCCEEDED}
    pair.wait_for(lambda: answers(pair.urls[0]), "the return of the first")


@pytest.mark.long
@pytest.mark.timeout(2400)
@pytest.mark.parametrize("part", range(PARTS), ids="part {}".format)
def test_the_end_to_end_suite_passes_on_two_servers(part: int) -> None:
    """Runs the tests of server behaviour, for which any platform will do, in a separate session
    for each part of the files.
    """
    names = {f"test_{name}.py" for name in (*OF_ONE_SERVER, *WITHOUT_SERVERS)}
    files = sorted(path for path in HERE.glob("test_*.py") if path.name not in names)
    left_out = [f"--deselect=tests/e2e/{one}" for one in OF_ONE_DATABASE]
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", *files[part::PARTS], "-m", "not long", *left_out],
        cwd=ROOT,
        env={**os.environ, SERVERS: "2"},
        capture_output=True,
        text=True,
        timeout=2300,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout[-20_000:]
    assert ended.stdout.count(".") > 60 / PARTS  # the tests were found
