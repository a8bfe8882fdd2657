"""The API tab of a Worker: programs that start it with the current input."""

from __future__ import annotations

import pytest

from support import all_editors
from support.app import App
from support.pages import Visitor
from support.run_forms import PLACES, sent

pytestmark = pytest.mark.anyio


@pytest.fixture
async def places(app: App) -> str:
    return (await app.publish("places", schema=all_editors.SCHEMA)).id


async def test_the_snippets_use_the_current_input(app: App, owner: Visitor, places: str) -> None:
    page = await owner.get(PLACES)
    body = {**sent(page, **{"f:city": "it's"}), "do": "api"}
    shown = await owner.post(f"{PLACES}/api", body, status=200)
    assert "it\\u0027s" in shown.one("//*[@id='program-text']").text
    assert "FYKE_KEY" in shown.text
    assert app.owner_key not in shown.raw
    form = {
        "whole": "1", "view": "json", "language": "curl", "do": "language:python",
        "json_text": shown.value("json_text"),
    }  # fmt: skip
    python = await owner.post(f"{PLACES}/api", form, part=True, status=200)
    assert "urllib.request" in python.raw
    kept = await owner.get(f"{PLACES}/api")
    assert "urllib.request" in kept.raw
    form |= {"json_text": '{"keywords": 1}', "do": "update"}
    wrong = await owner.post(f"{PLACES}/api", form, part=True, status=200)
    assert "would be refused" in wrong.text
    assert "must be an array" in wrong.text
    assert await owner.get(f"{PLACES}/api?language=go")
