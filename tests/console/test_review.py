"""Review in the console: the list, one submission, and concurrent decisions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fyke.model.worker import VersionState
from support.app import App, open_app
from support.pages import Page, Visitor, visitor


@pytest.fixture
async def app(tmp_path: Path, templates: Path) -> AsyncIterator[App]:
    async with open_app(tmp_path, templates, review=True) as app:
        yield app


async def asked(app: App, *mains: str) -> str:
    """The address of the waiting submission of another account's worker."""
    for main in mains or ("print('one')\n",):
        await app.publish("prices", caller=app.other, main=main)
    _, [view] = await app.services.reviews.page(app.owner, waiting=True, offset=0, limit=5)
    return f"/admin/review/{view.submission.id}"


def form_of(page: Page) -> dict[str, str]:
    names = page.all("//form[@id='run-form']//*[@name and not(self::button) and @type!='file']")
    areas = page.all("//form[@id='run-form']//textarea[@name]")
    return {item.get("name"): page.value(item.get("name")) for item in [*names, *areas]}


async def test_an_empty_review_list_has_an_explanation(owner: Visitor) -> None:
    assert "No pending submissions" in (await owner.get("/admin/review")).text
    assert "No reviewed submissions" in (await owner.get("/admin/review?decided=1")).text


async def test_a_first_version_is_shown_and_approved(app: App, owner: Visitor) -> None:
    address = await asked(app)
    page = await owner.get("/admin/review")
    assert page.one(f"//a[@href='{address}']").text_content() == "The prices"
    page = await owner.get(address)
    assert "the first public version" in page.text
    assert "print('one')" in page.text
    labels = [item.text_content() for item in page.all("//button[@name='decision']")]
    assert labels == ["Approve v1.0.1", "Return v1.0.1"]
    done = await owner.post(f"{address}/decide", {"decision": "approve", "reply": "Thank you"})
    assert done.location == "/admin/review"
    assert (await app.services.workers.find(None, "other/prices")).public
    page = await owner.get(address)
    assert "Thank you" in page.text and page.all("//button[@name='decision']") == []
    assert "approved" in (await owner.get("/admin/review?decided=1")).text


async def test_a_newer_version_is_compared_and_returned_with_a_note(
    app: App, owner: Visitor
) -> None:
    address = await asked(app)
    await owner.post(f"{address}/decide", {"decision": "approve", "reply": ""})
    address = await asked(app, "print('two')\n")
    page = await owner.get(address)
    assert "other accounts currently use v1.0.1" in page.text
    assert page.one("//ins").text_content().endswith("print('two')")
    page = await owner.post(f"{address}/decide", {"decision": "return", "reply": " "}, status=422)
    assert "describe what to change" in page.text
    await owner.post(f"{address}/decide", {"decision": "return", "reply": "No, because"})
    [review, _] = await app.services.reviews.of_worker(app.other, "other/prices")
    assert (review.state.value, review.reply) == ("returned", "No, because")


async def test_the_second_reviewer_sees_the_decision_of_the_first(app: App, owner: Visitor) -> None:
    address = await asked(app)
    await owner.post(f"{address}/decide", {"decision": "return", "reply": "No"})
    page = await owner.post(f"{address}/decide", {"decision": "approve"}, status=409)
    assert "Already reviewed by another user" in page.text
    assert "owner decided: returned" in page.text


async def test_a_sample_run_is_started_and_its_state_shown(app: App, owner: Visitor) -> None:
    address = await asked(app)
    page = await owner.get(address)
    page = await owner.post(f"{address}/sample", form_of(page) | {"do": "json"}, status=200)
    sent = form_of(page) | {"json_text": '{"urls": [{"url": "https://a.example/"}]}'}
    started = await owner.post(f"{address}/sample", sent | {"do": "start"})
    assert started.location.startswith("/runs/")
    await app.execute([{"a": 1}])
    page = await owner.get(address)
    assert page.one("//section[.//h2='Sample run']//a[contains(@href,'/runs/')]") is not None
    assert "Succeeded" in page.text


async def test_only_the_operator_can_review(app: App) -> None:
    address = await asked(app)
    async with visitor(app, app.other.user_id) as other:
        await other.get("/admin/review", status=403)
        await other.get(address, status=403)
        await other.post(f"{address}/decide", {"decision": "approve"}, status=403)
        await other.post(f"{address}/sample", {"do": "start"}, status=403)
    _, [view] = await app.services.reviews.page(app.owner, waiting=True, offset=0, limit=5)
    assert address.endswith(view.submission.id)
    assert (view.submission.state.value, view.submission.reply) == ("waiting", "")


async def test_a_change_of_what_other_accounts_get_is_asked_and_said(
    app: App, owner: Visitor
) -> None:
    for main in ("print('one')\n", "print('two')\n"):
        await owner.post(f"{await asked(app, main)}/decide", {"decision": "approve"})
    await asked(app, "print('three')\n")  # v1.0.3 is current, but not approved
    worker = await app.services.workers.find(app.other, "other/prices")
    withdrawn = VersionState.WITHDRAWN
    await app.services.workers.set_state(app.other, worker.id, "v1.0.2", withdrawn)
    base = f"/w/{worker.path}/versions"
    async with visitor(app, app.other.user_id) as author:

        async def post(page: Page, action: str) -> Page:
            form = page.one(f"//form[@action='{base}/{action}']")
            names, values = form.xpath("input/@name"), form.xpath("input/@value")
            return await author.post(form.get("action"), dict(zip(names, values, strict=True)))

        moves = await post(await author.get(base), "v1.0.2/restore")
        assert moves.location == f"{base}/v1.0.2/restore", "other accounts would get it"
        question = await author.get(moves.location)
        assert "v1.0.3 stays the current version." in question.text
        assert "Other accounts will use v1.0.2." in question.text
        done = await post(question, "v1.0.2/restore")
        done = await author.get(done.location)
        assert "v1.0.3 is still the current version. Other accounts now use v1.0.2." in done.text

        stale = await author.get(f"{base}/v1.0.2/withdraw")
        await app.services.workers.set_state(app.other, worker.id, "v1.0.1", withdrawn)
        again = await post(stale, "v1.0.2/withdraw")
        assert again.location == f"{base}/v1.0.2/withdraw", "none is left for other accounts"
        done = await post(await author.get(again.location), "v1.0.2/withdraw")
        done = await author.get(done.location)
        assert "Other accounts can no longer start this Worker" in done.text
