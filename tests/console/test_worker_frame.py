"""The tabs of a Worker, even with hostile content."""

from __future__ import annotations

from fyke.contracts.state import Transaction
from fyke.model.worker import VersionState
from support.app import App
from support.console_workers import add_versions
from support.pages import Visitor, visitor

TABS = (
    "",
    "/readme",
    "/output",
    "/runs",
    "/trends",
    "/tasks",
    "/schedules",
    "/versions",
    "/changelog",
)


async def test_every_tab_opens_for_owners_and_other_accounts(app: App, owner: Visitor) -> None:
    path = await add_versions(app)
    for tab in TABS[1:]:
        page = await owner.get(f"/w/{path}{tab}")
        assert len(page.all("//nav[@class='tabs']//a")) <= 7
        assert page.all(f"//nav//a[@aria-current='page'][@href='/w/{path}{tab}']"), tab
        assert len(page.all("//nav[@class='tabs']//a[@aria-current='page']")) == 1
        assert page.one("//h1").text_content() == "Shop prices"
    async with visitor(app, app.other.user_id) as other:
        for tab in TABS[1:]:
            page = await other.get(f"/w/{path}{tab}")
            assert "Settings" not in page.one("//nav[@class='tabs']").text_content()
        await other.get(f"/w/{path}/settings", status=403)
    await owner.get("/w/owner/none/readme", status=404)


async def test_a_broken_output_schema_is_explained(app: App, owner: Visitor) -> None:
    await app.publish("reader")

    def spoil(tx: Transaction) -> None:
        from sqlalchemy import update

        from fyke.storage.sql.state.workers import versions

        tx.workers._db.execute(  # type: ignore[attr-defined]  # no service can do this
            update(versions).values(output_schema="{", input_schema="[")
        )

    await app.storage.write(spoil)
    page = await owner.get("/w/owner/reader/output")
    assert "The output schema cannot be used" in page.text
    for tab in TABS[1:]:
        await owner.get(f"/w/owner/reader{tab}")


async def test_without_a_runnable_version_the_page_shows_the_remedy(
    app: App, owner: Visitor
) -> None:
    worker = await app.publish("reader")
    await app.services.workers.set_state(
        app.owner, worker.id, "v1.0.1", VersionState.DEPRECATED, "use <other>"
    )
    page = await owner.get("/w/owner/reader/readme")
    assert "v1.0.1 is deprecated" in page.text and "use <other>" in page.text
    await app.services.workers.set_state(
        app.owner, worker.id, "v1.0.1", VersionState.WITHDRAWN, "it leaks"
    )
    page = await owner.get("/w/owner/reader/readme")
    assert "No version of this Worker can run" in page.text
    assert page.all("//a[@href='/w/owner/reader/versions'][contains(., 'Restore a version')]")


async def test_every_list_field_accepts_pasted_lines(app: App, owner: Visitor) -> None:
    """Users do not expect it, so each list has a hint."""
    columns = [{"title": "Name", "param": "name", "type": "string", "editor": "input"}]
    properties = [
        {"title": "Lines", "name": "lines", "type": "array", "editor": "stringList"},
        {"title": "Pages", "name": "pages", "type": "array", "editor": "requestList"},
        {"title": "Rows", "name": "rows", "type": "array", "editor": "requestListSource",
         "param_list": columns},
    ]  # fmt: skip
    await app.publish("lists", schema={"description": "", "b": "lines", "properties": properties})
    page = await owner.get("/w/owner/lists")
    hints = [" ".join(item.itertext()) for item in page.all("//form-list | //form-rows")]
    assert len(hints) == 3
    assert all("aste" in hint for hint in hints), hints
    assert all("many lines" in hint or "rows and columns" in hint for hint in hints), hints
