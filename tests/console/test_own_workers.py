"""An account's own workers, and project templates."""

from __future__ import annotations

import pytest

from fyke.domain.workers.project import read_project
from fyke.domain.workers.templates import TEMPLATES, Template
from fyke.model.worker import VersionState
from support.app import App
from support.pages import Visitor, visitor


async def test_an_account_without_workers_sees_templates(owner: Visitor) -> None:
    page = await owner.get("/dev/workers")
    assert "Upload your first Worker" in page.text
    links = page.all("//a[@download]/@href")
    assert links == [f"/dev/templates/{template.name}.zip" for template in TEMPLATES]
    tags = [tag.text for tag in page.all("//ul[contains(@class,'template-cards')]//h3/span")]
    labels = {"python": "Python", "node": "Node.js", "go": "Go"}
    assert tags == [labels[template.language] for template in TEMPLATES]


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda one: one.name)
async def test_a_template_can_be_uploaded_unchanged(
    app: App, owner: Visitor, template: Template
) -> None:
    name = template.name
    answer = await owner.http.get(f"/dev/templates/{name}.zip")
    assert answer.headers["content-type"] == "application/zip"
    expected = ["go_program_not_built"] if template.language == "go" else []
    assert [finding.code for finding in read_project(answer.content).findings] == expected
    worker, version, findings = await app.services.workers.publish(app.owner, answer.content)
    assert (version.number, [finding.code for finding in findings]) == ("v1.0.1", expected)
    assert worker.title in (await owner.get(f"/w/{worker.path}/readme")).one("//h1").text_content()


async def test_only_existing_templates_can_be_downloaded_and_only_by_users(
    owner: Visitor, guest: Visitor
) -> None:
    await owner.get("/dev/templates/none.zip", status=404)
    await owner.get("/dev/templates/..%2Fsdk.zip", status=404)
    assert (await guest.http.get("/dev/templates/json-feed.zip")).status_code in (303, 401)


async def test_own_workers_are_listed_with_their_state(app: App, owner: Visitor) -> None:
    public = await app.publish("maps")
    await app.publish("secret", public=False)
    await app.services.workers.set_state(app.owner, public.id, "v1.0.1", VersionState.WITHDRAWN)
    page = await owner.get("/dev/workers")
    rows = [" ".join(row.text_content().split()) for row in page.all("//tbody/tr")]
    assert rows[0].startswith("The secretowner/secret v1.0.1 your account")
    assert "The mapsowner/maps no runnable version" in rows[1]
    found = await owner.get("/dev/workers?q=maps", part=True)
    assert len(found.all("//tbody/tr")) == 1
    assert "Nothing matches “zzz”" in (await owner.get("/dev/workers?q=zzz")).text
    async with visitor(app, app.other.user_id) as other:
        assert "Upload your first Worker" in (await other.get("/dev/workers")).text
