"""Callbacks as receivers see them: content, signature and delivery."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from support.booted import Booted
from support.processes import parent_of
from support.projects import python_project, zoo
from support.receivers import Received, Receiver, Reply, listening
from support.two_servers import answers

SUCCEEDED, FAILED, ABORTED = 3, 4, 5
FIELDS = {
    "run_slug", "run_id", "status", "results", "usage", "run_status", "error_message",
    "execution_start_timestamp", "execution_end_timestamp", "running_duration", "result_count",
    "result_message",
}  # fmt: skip


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with listening() as receiver:
        yield receiver


def start(platform: Booted, slug: str, url: str, **system: Any) -> str:
    body = {
        "scraper_slug": slug,
        "callback_url": url,
        "input": {"parameters": {"system": system, "custom": {}}},
    }
    return str(platform.call("/api/v1/scraper/run", body)["run_slug"])


def deliveries(platform: Booted, run: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = platform.read(f"/api/fyke/runs/{run}/deliveries")["list"]
    return found


def delivered(platform: Booted, run: str, seconds: float = 20) -> dict[str, Any]:
    """The only delivery of the run, once it was accepted."""

    def look() -> Any:
        found = deliveries(platform, run)
        return found[0] if found and found[0]["state"] == "delivered" else None

    delivery: dict[str, Any] = platform.wait_for(look, "the delivery", seconds)
    assert len(deliveries(platform, run)) == 1
    return delivery


# --- content ----------------------------------------------------------------------------------


def test_a_success_is_reported_in_both_forms(platform: Booted, receiver: Receiver) -> None:
    before = int(time.time())
    slug = platform.push(zoo("upserts"), "callback-upserts")
    run = start(platform, slug, receiver.url("/a/secret-path?x=1&y=2"))
    [received] = receiver.wait("/a/secret-path?x=1&y=2")
    assert received.headers["content-type"] == "application/json"
    data = received.data
    assert set(data) == FIELDS
    assert data["run_slug"] == data["run_id"] == run
    assert (data["status"], data["run_status"]) == (SUCCEEDED, "succeeded")
    assert data["results"] == data["result_count"] == 2
    assert (data["usage"], data["error_message"]) == ("0", "")
    started, ended = data["execution_start_timestamp"], data["execution_end_timestamp"]
    assert before <= started <= ended <= time.time() + 1
    assert data["running_duration"] == ended - started
    assert isinstance(data["result_message"], str)
    assert delivered(platform, run)["last_status"] == 200


def test_a_failure_is_reported_with_its_reason(platform: Booted, receiver: Receiver) -> None:
    slug = platform.push(zoo("raises"), "callback-raises")
    run = start(platform, slug, receiver.url("/failed"))
    data = receiver.wait("/failed")[0].data
    assert set(data) == FIELDS
    assert (data["status"], data["run_status"], data["results"]) == (FAILED, "failed", 0)
    assert "ValueError: price not found on page 7" in data["error_message"]
    assert data["error_message"] == platform.detail(run)["err_msg"]


def test_an_abort_is_reported_as_aborted(platform: Booted, receiver: Receiver) -> None:
    slug = platform.push(zoo("never_exits"), "callback-never-exits")
    run = start(platform, slug, receiver.url("/aborted"))
    platform.wait_for(lambda: platform.detail(run)["results"], "the first row")
    platform.call("/api/v1/scraper/abort", {"run_slug": run})
    data = receiver.wait("/aborted")[0].data
    assert (data["status"], data["run_status"]) == (ABORTED, "aborted")
    assert (data["results"], data["error_message"]) == (1, "Aborted on request")


def test_the_callback_of_a_run_that_never_started_has_no_times(
    platform: Booted, receiver: Receiver
) -> None:
    """Its dependencies cannot be installed, so no Worker ever ran."""
    project = python_project("print(1)", requirements="grpcio==1.80.0\ngrpcio==1.81.0\n")
    slug = platform.push(project, "callback-never-began")
    start(platform, slug, receiver.url("/never-began"))
    data = receiver.wait("/never-began")[0].data
    assert (data["status"], data["run_status"], data["running_duration"]) == (FAILED, "failed", 0)
    assert data["execution_start_timestamp"] == 0
    assert data["execution_end_timestamp"] > 0


def test_sync_runs_reruns_and_tasks_send_callbacks(platform: Booted, receiver: Receiver) -> None:
    slug = platform.push(zoo("upserts"), "callback-upserts")
    body: dict[str, Any] = {
        "scraper_slug": slug,
        "is_async": False,
        "callback_url": receiver.url("/sync"),
        "input": {"parameters": {"custom": {}}},
    }
    run = platform.call("/api/v1/scraper/run", body)["run_slug"]
    assert receiver.wait("/sync")[0].data["run_slug"] == run
    silent = platform.call("/api/v1/rerun", {"run_slug": run})["run_slug"]
    rerun = platform.call(
        "/api/v1/rerun", {"run_slug": run, "callback_url": receiver.url("/rerun")}
    )["run_slug"]
    assert receiver.wait("/rerun")[0].data["run_slug"] == rerun
    task = platform.call(
        "/api/v2/worker-tasks", {"worker_id": slug, "title": "called", "input": body["input"]}
    )
    url = receiver.url("/task")
    of_task = platform.call("/api/v1/task/run", {"task_slug": task["slug"], "callback_url": url})
    assert receiver.wait("/task")[0].data["run_slug"] == of_task["run_slug"]
    platform.ended(silent)
    assert deliveries(platform, silent) == []
    assert len(receiver.at("/sync")) == 1


def test_the_end_of_the_run_is_visible_before_its_callback_arrives(
    platform: Booted, receiver: Receiver
) -> None:
    seen: list[dict[str, Any]] = []

    def look(received: Received) -> None:
        run = received.data["run_slug"]
        rows = platform.call("/api/v1/run/result/list", {"run_slug": run})
        seen.append({**platform.detail(run), "count": rows["count"]})

    receiver.on_request = look
    slug = platform.push(zoo("upserts"), "callback-upserts")
    for number in range(5):
        start(platform, slug, receiver.url(f"/final-{number}"))
    for number in range(5):
        receiver.wait(f"/final-{number}")
    assert len(seen) == 5
    assert {(d["status"], d["results"], d["count"]) for d in seen} == {(SUCCEEDED, 2, 2)}
    assert all(d["finished_at"] for d in seen)


# --- signature --------------------------------------------------------------------------------


def test_the_signature_is_valid_in_any_library_and_for_this_body_only(
    platform: Booted, receiver: Receiver
) -> None:
    account = httpx2.get(f"{platform.url}/api/fyke/account", headers={"api-key": platform.key})
    webhook = Webhook(account.json()["data"]["webhook_secret"])
    slug = platform.push(zoo("upserts"), "callback-upserts")
    run = start(platform, slug, receiver.url("/signed"))
    [received] = receiver.wait("/signed")
    assert webhook.verify(received.body, received.headers)["run_slug"] == run
    with pytest.raises(WebhookVerificationError):
        webhook.verify(received.body.replace(b"succeeded", b"failed"), received.headers)
    with pytest.raises(WebhookVerificationError):
        webhook.verify(received.body, {**received.headers, "webhook-id": "msg_other"})
    with pytest.raises(WebhookVerificationError):
        stale = str(int(received.headers["webhook-timestamp"]) - 3600)
        webhook.verify(received.body, {**received.headers, "webhook-timestamp": stale})


def test_each_account_has_its_own_secret(platform: Booted, receiver: Receiver) -> None:
    key = platform.new_account("callback-guest")
    # the operator's Worker, because that of a guest needs a machine with complete isolation
    slug = platform.push(zoo("upserts"), "callback-public-upserts", public=True)
    body = {
        "scraper_slug": slug,
        "callback_url": receiver.url("/guest"),
        "input": {"parameters": {"custom": {}}},
    }
    platform.call("/api/v1/scraper/run", body, key=key)
    [received] = receiver.wait("/guest")
    secrets = [
        httpx2.get(f"{platform.url}/api/fyke/account", headers={"api-key": who}).json()["data"][
            "webhook_secret"
        ]
        for who in (key, platform.key)
    ]
    assert secrets[0] != secrets[1]
    assert Webhook(secrets[0]).verify(received.body, received.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(secrets[1]).verify(received.body, received.headers)


# --- delivery ---------------------------------------------------------------------------------


def test_a_failed_callback_is_retried_under_the_same_id(
    platform: Booted, receiver: Receiver
) -> None:
    receiver.reply("/fails-once", Reply(500))
    slug = platform.push(zoo("upserts"), "callback-upserts")
    run = start(platform, slug, receiver.url("/fails-once"))
    receiver.wait("/fails-once")
    waiting = platform.wait_for(
        lambda: [d for d in deliveries(platform, run) if d["tries"]], "the record of the try"
    )[0]
    assert (waiting["state"], waiting["tries"], waiting["last_status"]) == ("pending", 1, 500)
    assert 0 <= waiting["next_at"] - time.time() + 1 < 8
    first, second = receiver.wait("/fails-once", 2)
    assert 4 < second.at - first.at < 8
    assert second.headers["webhook-id"] == first.headers["webhook-id"] == waiting["id"]
    assert second.body == first.body
    done = delivered(platform, run)
    assert (done["tries"], done["last_status"]) == (2, 200)
    assert platform.detail(run)["status"] == SUCCEEDED


def test_a_redirect_is_not_followed_and_a_410_is_final(
    platform: Booted, receiver: Receiver
) -> None:
    receiver.reply("/moved", Reply(302, receiver.url("/elsewhere")))
    receiver.reply("/gone", Reply(410))
    slug = platform.push(zoo("upserts"), "callback-upserts")
    moved = start(platform, slug, receiver.url("/moved"))
    gone = start(platform, slug, receiver.url("/gone"))
    receiver.wait("/moved")
    receiver.wait("/gone")
    tried = [
        platform.wait_for(
            lambda run=run: [d for d in deliveries(platform, run) if d["tries"]], "the record"
        )[0]
        for run in (moved, gone)
    ]
    assert [(d["state"], d["last_status"]) for d in tried] == [("pending", 302), ("failed", 410)]
    receiver.wait("/moved", 2)  # retried at the original address, not at the target of the redirect
    assert receiver.at("/elsewhere") == []
    assert len(receiver.at("/gone")) == 1


@pytest.mark.long
def test_a_hanging_receiver_does_not_delay_others(platform: Booted, receiver: Receiver) -> None:
    receiver.reply("/hangs", Reply(hang=True))
    slug = platform.push(zoo("upserts"), "callback-upserts")
    hanging = start(platform, slug, receiver.url("/hangs"))
    [first] = receiver.wait("/hangs")
    for number in range(3):
        start(platform, slug, receiver.url(f"/quick-{number}"))
    for number in range(3):
        receiver.wait(f"/quick-{number}", seconds=5)
    assert platform.detail(hanging)["status"] == SUCCEEDED
    tried = platform.wait_for(
        lambda: [d for d in deliveries(platform, hanging) if d["tries"]], "its timeout", 25
    )[0]
    assert 14 < time.monotonic() - first.at < 20
    assert (tried["state"], tried["last_status"]) == ("pending", 0)
    assert tried["last_error"] == "no answer within 15 s"


def test_an_unreachable_receiver_is_reported(platform: Booted, receiver: Receiver) -> None:
    with listening() as closed:
        url = closed.url("/nobody")
    slug = platform.push(zoo("upserts"), "callback-upserts")
    run = start(platform, slug, url)
    tried = platform.wait_for(
        lambda: [d for d in deliveries(platform, run) if d["tries"]], "the record"
    )[0]
    assert (tried["state"], tried["last_status"]) == ("pending", 0)
    assert "cannot connect" in tried["last_error"]
    assert platform.detail(run)["status"] == SUCCEEDED


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("http://localhost:8000/x", "FYKE_CALLBACK_ALLOW"),
        ("http://127.0.0.2:8000/x", "FYKE_CALLBACK_ALLOW=127.0.0.2:8000"),
        ("http://10.0.0.1/x", "FYKE_CALLBACK_ALLOW"),
        ("http://169.254.169.254/latest", "FYKE_CALLBACK_ALLOW"),
        ("http://[::1]:8000/", "FYKE_CALLBACK_ALLOW"),
        ("http://[::ffff:10.0.0.1]/", "FYKE_CALLBACK_ALLOW"),
        ("http://user:pass@a.example/", "user name or password"),
        ("http://a.example:22/", "port 22"),
        ("ftp://a.example/", "http or https"),
        ("/relative", "absolute"),
        ("https://a.example/a b", "callback_url"),
    ],
)
def test_an_invalid_callback_url_is_refused_at_the_start(
    platform: Booted, url: str, text: str
) -> None:
    slug = platform.push(zoo("upserts"), "callback-refused")
    body = {
        "scraper_slug": slug, "callback_url": url, "input": {"parameters": {"custom": {}}},
    }  # fmt: skip
    answer = platform.raw("/api/v1/scraper/run", body)
    assert (answer.status_code, answer.json()["code"]) == (400, 4000)
    assert text in answer.json()["message"]
    assert platform.call("/api/v1/run/list", {"scraper_slug": slug})["count"] == 0


# --- that it comes although processes die -----------------------------------------------------


def test_a_server_killed_before_the_delivery_delivers_after_its_restart(
    own_platform: Booted, receiver: Receiver
) -> None:
    """The run ends while no server is running; the next server delivers once."""
    waits = "import time; time.sleep(2)\nfrom sdk import CoreSDK\nCoreSDK.Result.push_data({})"
    slug = own_platform.push(python_project(waits), "callback-waits")
    run = start(own_platform, slug, receiver.url("/later"))
    own_platform.wait_for(lambda: own_platform.detail(run)["status"] == 2, "its beginning")
    own_platform.wait_for(own_platform.sandboxes, "its process")
    supervisor = parent_of(own_platform.role("server"))
    os.kill(supervisor, signal.SIGSTOP)  # no other server is started
    try:
        own_platform.kill_role("server")
        own_platform.wait_for(
            lambda: f'"run": "{run}"' in own_platform.log.read_text(), "the end of the run"
        )
        assert receiver.at("/later") == []
    finally:
        os.kill(supervisor, signal.SIGCONT)
    [received] = receiver.wait("/later", seconds=30)
    assert (received.data["run_slug"], received.data["results"]) == (run, 1)
    own_platform.wait_for(lambda: answers(own_platform.url), "the server's return", 20)
    assert delivered(own_platform, run)["tries"] == 1
    assert len(receiver.at("/later")) == 1


@pytest.mark.long
def test_a_server_killed_during_the_delivery_delivers_again(
    own_platform: Booted, receiver: Receiver
) -> None:
    """Its outcome is unknown, so it is sent again under the same id."""
    receiver.reply("/twice", Reply(hang=True))
    slug = own_platform.push(zoo("upserts"), "callback-upserts")
    run = start(own_platform, slug, receiver.url("/twice"))
    receiver.wait("/twice")
    own_platform.kill_role("server")
    first, second = receiver.wait("/twice", 2, seconds=90)
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body
    assert delivered(own_platform, run)["last_status"] == 200
