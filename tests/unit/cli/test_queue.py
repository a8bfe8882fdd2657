"""Output of ``fyke queue``."""

from __future__ import annotations

from typing import Any

from fyke.cli.queue import list_items
from fyke_client.types.v2.queue import QueueItem, QueuePage
from support.scripted import ScriptedServer

ITEM = QueueItem(
    queue_ref="22",
    queue_status="waiting",
    worker_slug="W1",
    worker_path="owner~reader",
    title="Reader",
    version="v1.0.1",
    callback_url="",
    reason="asked for",
    run_slug="",
    created_at=0,
    ended_at=0,
)


def test_items_are_listed_with_worker_paths() -> None:
    server: Any = ScriptedServer(queue=QueuePage(1, [ITEM], 1, 20))
    list_items(server)
    words = server.data.splitlines()[1].split()
    assert words == ["22", "waiting", "owner/reader", "v1.0.1", "-", "asked", "for"]
