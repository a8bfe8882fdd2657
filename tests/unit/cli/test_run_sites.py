"""Output of ``fyke run sites``."""

from __future__ import annotations

import json

from fyke.cli.run_sites import sites
from fyke_client.types.fyke.runs import SiteItem, SiteList
from support.scripted import ScriptedServer

SITES = SiteList(
    [
        SiteItem("a.example", 5, 10, 20, 0, 0, "", {"200": 3, "403": 2}),
        SiteItem("b.example", 4, 10, 20, 1, 0, "", unseen=4),
    ],
    None,
)


def test_answers_are_listed_by_status_and_what_is_not_visible_is_said() -> None:
    server = ScriptedServer(sites=SITES)
    sites(server, "R1")
    assert "200: 3, 403: 2" in server.data
    assert "The answers of 4 connections are not visible" in server.messages


def test_the_statuses_are_in_the_json() -> None:
    server = ScriptedServer(as_json=True, sites=SITES)
    sites(server, "R1")
    assert json.loads(server.data)["list"][0]["statuses"] == {"200": 3, "403": 2}
