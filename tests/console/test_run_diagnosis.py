"""The archive that explains a run, as a download from its page."""

from __future__ import annotations

import io
import zipfile

from fyke.kit.ids import new_ulid
from fyke.model.account import Role, User
from fyke.model.run import Outcome
from support.app import App
from support.pages import Visitor, visitor
from support.run_pages import finished, started

LINKS = "//a[@download and text()[normalize-space()='{}']]/@href"


async def test_a_failed_run_offers_its_archive(app: App, owner: Visitor) -> None:
    run = await finished(app, [], outcome=Outcome.EXIT_CODE, message="exited with 3", log=["why"])
    page = await owner.get(f"/runs/{run}")
    for text in ("Download diagnosis", "Diagnosis"):
        assert page.all(LINKS.format(text)) == [f"/runs/{run}/diagnosis"]
    answer = await owner.http.get(f"/runs/{run}/diagnosis")
    assert answer.headers["content-disposition"].endswith(f'filename="{run}-diagnosis.zip"')
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    assert b"exited with 3" in archive.read("diagnosis.md")
    assert b"why" in archive.read("log.txt")


async def test_every_reader_of_a_run_gets_it_and_no_other_account(app: App, owner: Visitor) -> None:
    run = await started(app)
    page = await owner.get(f"/runs/{run}")
    assert page.all(LINKS.format("Diagnosis")) and not page.all(LINKS.format("Download diagnosis"))
    async with visitor(app, app.other.user_id) as other:
        await other.get(f"/runs/{run}/diagnosis", status=404)
    viewer = User(new_ulid(), app.owner.account_id, "vera", Role.VIEWER, False, "", 1)
    await app.storage.write(lambda tx: tx.accounts.add_user(viewer))
    async with visitor(app, viewer.id) as someone:
        answer = await someone.http.get(f"/runs/{run}/diagnosis")
        assert answer.status_code == 200


async def test_a_share_link_does_not_lead_to_it(app: App, owner: Visitor, guest: Visitor) -> None:
    run = await finished(app, [], outcome=Outcome.EXIT_CODE, message="exited with 3")
    await owner.post(f"/runs/{run}/share", {"days": "3", "rows": "on", "log": "on"})
    listed = await owner.get(f"/runs/{run}/share")
    path = listed.one("//button[contains(@data-copy, '/shared/')]").get("data-copy")
    path = path[path.index("/shared/") :]
    assert not (await guest.get(path)).all("//a[contains(@href, 'diagnosis')]")
    assert (await guest.http.get(f"{path}/diagnosis")).status_code == 404
    assert (await guest.http.get(f"/runs/{run}/diagnosis")).status_code in (302, 303)
