"""The first pages load fast over slow connections: their total size is within a budget."""

from __future__ import annotations

import pytest

from support.app import App
from support.console_seed import seed, start
from support.page_weight import BUDGET, FONT, WITH_FONT, total, weight
from support.pages import Visitor, set_password

pytestmark = pytest.mark.anyio

ROWS = 50  # of a full page


def check(seen: dict[str, int]) -> None:
    """Compare the sizes with the budgets; browsers keep the font from the first page on."""
    assert len([url for url in seen if url.endswith(FONT)]) == 1
    assert total(seen, font=False) <= BUDGET, seen
    assert total(seen, font=True) <= WITH_FONT, seen


async def test_the_sign_in_page_loads_few_bytes(app: App, guest: Visitor) -> None:
    await set_password(app)
    seen = await weight(guest, "/login")
    check(seen)
    assert any(name.endswith(".css") for name in seen)


@pytest.mark.parametrize("first", ["/", "/runs?all=1"])
async def test_the_first_page_after_signing_in_loads_few_bytes(
    app: App, owner: Visitor, first: str
) -> None:
    seeded = await seed(app)
    worker = await app.services.workers.find(app.owner, seeded.worker)
    for _ in range(ROWS):  # ids are what compresses least
        await start(app, worker.id)
    await app.execute()
    seen = await weight(owner, first)
    check(seen)
    assert any(name.endswith(".js") for name in seen)
