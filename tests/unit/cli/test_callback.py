"""Output and requests of ``fyke callback``."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from fyke.cli.callback import (
    allow,
    allowed,
    disallow,
    enable,
    list_deliveries,
    of_run,
    receivers,
    replay,
)
from fyke.model.callback import DeliveryKind, DeliveryState
from fyke_client.types.fyke.callbacks import DeliveryAttemptItem, DeliveryItem, ReceiverItem
from fyke_client.types.fyke.installation import (
    AllowedReceiverItem,
    AllowedReceiverList,
    AllowedReceiverPreview,
)
from support.scripted import ScriptedServer

SENT = DeliveryItem(
    id="msg_1",
    run_slug="R1",
    kind=DeliveryKind(next(iter(DeliveryKind))),
    webhook="",
    event="",
    url="https://a.example/hook",
    receiver="https://a.example:443",
    state=DeliveryState.FAILED,
    tries=2,
    next_at=0,
    last_status=500,
    last_error="the body was too long",
    created_at=1,
    ended_at=2,
    attempts=[],
)
TRIES = [
    DeliveryAttemptItem(1_700_000_000_000, 500, "", 12, "oops"),
    DeliveryAttemptItem(1_700_000_060_000, 0, "timed out", 10_000, ""),
]


def cells(line: str) -> list[str]:
    return [cell for cell in line.split("  ") if cell]


def test_callbacks_are_listed_with_their_last_attempt() -> None:
    silent = msgspec.structs.replace(SENT, last_status=0, last_error="timed out")
    untried = msgspec.structs.replace(SENT, last_status=0, last_error="", tries=0)
    server = ScriptedServer(account_deliveries=[SENT, silent, untried])
    list_deliveries(server, "failed", "a.example", 3)  # type: ignore[arg-type]
    assert server.client.calls == [
        ("account_deliveries", {"state": "failed", "host": "a.example", "page": 3})
    ]
    lines = server.data.splitlines()
    assert len(lines) == 4  # and no table of tries
    assert "500 the body was too long" in lines[1]
    assert "  timed out" in lines[2]
    assert "0" not in cells(lines[2])


def test_attempts_are_in_a_second_table() -> None:
    server = ScriptedServer(deliveries=[SENT, msgspec.structs.replace(SENT, attempts=TRIES)])
    of_run(server, "R1")  # type: ignore[arg-type]
    _, _, _, title, first, second = server.data.splitlines()
    assert title.split() == ["CALLBACK", "TIME", "STATUS", "ERROR", "MS"]
    assert first.split()[-2:] == ["500", "12"]
    assert second.split()[-4:] == ["-", "timed", "out", "10000"]


def test_json_has_every_member_and_no_table() -> None:
    server = ScriptedServer(
        as_json=True, deliveries=[msgspec.structs.replace(SENT, attempts=TRIES)]
    )
    of_run(server, "R1")  # type: ignore[arg-type]
    [delivery] = json.loads(server.data)
    assert delivery["attempts"][0]["reply"] == "oops"


@pytest.mark.parametrize("as_json", [False, True])
def test_a_replayed_callback_is_reported(as_json: bool) -> None:
    server = ScriptedServer(as_json=as_json, replay_delivery=SENT)
    replay(server, "msg_1")  # type: ignore[arg-type]
    if as_json:
        assert json.loads(server.data)["id"] == "msg_1"
    else:
        assert server.data == ""
        assert "msg_1 is being sent to https://a.example/hook" in server.messages


def test_receivers_are_listed_with_their_state() -> None:
    def receiver(name: str, **more: Any) -> ReceiverItem:
        values = {"disabled": False, "disabled_at": 0, "failing_since": 0} | more
        return ReceiverItem(receiver=name, **values, last_success_at=0, last_failure_at=0)

    server = ScriptedServer(receivers=[receiver("https://a:443", disabled=True), receiver("b")])
    receivers(server)  # type: ignore[arg-type]
    _, first, second = server.data.splitlines()
    assert first.split() == ["https://a:443", "no", "-", "-"]
    assert second.split() == ["b", "yes", "-", "-"]


def test_enabling_a_receiver_recommends_replays() -> None:
    enabled = ReceiverItem("https://a:443", False, 0, 0, 0, 0)
    server = ScriptedServer(enable_receiver=enabled)
    enable(server, "https://a")  # type: ignore[arg-type]
    assert server.messages.startswith("https://a:443 is enabled again. Replay")


ALLOWED = AllowedReceiverList(
    2,
    [
        AllowedReceiverItem("127.0.0.1:9000", "setting"),
        AllowedReceiverItem("10.0.0.7:5678", "operator"),
    ],
)


def test_allowed_receivers_are_listed_with_where_they_come_from() -> None:
    server = ScriptedServer(allowed_receivers=ALLOWED)
    allowed(server)  # type: ignore[arg-type]
    lines = [cells(line) for line in server.data.splitlines()]
    assert [[cell.strip() for cell in line] for line in lines[1:]] == [
        ["127.0.0.1:9000", "callback_allow"],
        ["10.0.0.7:5678", "fyke callback allow"],
    ]


def test_a_receiver_is_allowed_and_taken_back() -> None:
    server = ScriptedServer(allow_receiver=ALLOWED, disallow_receiver=ALLOWED)
    allow(server, "10.0.0.7:5678")  # type: ignore[arg-type]
    assert "10.0.0.7:5678" in server.data
    disallow(server, "10.0.0.7:5678")  # type: ignore[arg-type]
    assert [name for name, _ in server.client.calls] == ["allow_receiver", "disallow_receiver"]


def test_a_preview_allows_nothing() -> None:
    found = AllowedReceiverPreview(
        "10.0.0.0/24:5678", "10.0.0.0/24", 5678, 256, ["10.0.0.5"], False
    )
    server = ScriptedServer(preview_receiver=found)
    allow(server, "10.0.0.0/24:5678", preview=True)  # type: ignore[arg-type]
    assert [name for name, _ in server.client.calls] == ["preview_receiver"]
    assert server.fields["addresses"] == "256" and server.fields["not allowed"] == "10.0.0.5"
    named = msgspec.structs.replace(found, entry="n8n:5678", target="n8n", addresses=0, left_out=[])
    server = ScriptedServer(preview_receiver=named)
    allow(server, "n8n:5678", preview=True)  # type: ignore[arg-type]
    assert server.fields["addresses"] == "those of the name"
