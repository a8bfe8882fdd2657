"""The export of a run: the form with the limits of each format, and the file."""

from __future__ import annotations

from email.utils import parsedate_to_datetime

from fyke.model.results import Header
from support.app import App
from support.pages import Visitor, stranger
from support.run_pages import finished


async def test_an_export_shows_its_limits_and_can_be_downloaded(app: App, owner: Visitor) -> None:
    rows = [{"b": "=1+1", "a": {"x": 1}, "c": ""}]
    run = await finished(app, rows, headers=[Header("B", "b", "text"), Header("A", "a", "text")])
    page = await owner.get(f"/runs/{run}/export")
    assert len(page.all("//input[@name='format']")) == 9
    assert "A sheet has at most 65,536 rows" in page.text
    assert page.one("//input[@name='safe']").get("checked") is not None
    asked = f"/runs/{run}/export/file?format=csv&key=a&key=b&safe=1"
    away = await owner.get(asked, status=303)
    assert (await owner.http.get(away.location)).text == 'a,b\r\n"{""x"":1}",\'=1+1\r\n'
    flat = await owner.get(f"/runs/{run}/export/file?format=json&flatten=1&clean=1", status=303)
    assert (await owner.http.get(flat.location)).json() == [{"b": "=1+1", "a.x": 1}]
    wrong = await owner.get(f"/runs/{run}/export/file?format=doc", status=422)
    assert "Format: must be one of csv" in wrong.one("//*[@id='faults']").text_content()


async def test_an_export_has_the_requested_name_and_a_link_to_share(
    app: App, owner: Visitor
) -> None:
    run = await finished(app, [{"b": 1}])
    at = f"/runs/{run}/export/file?format=csv&name="
    away = await owner.get(f"{at}prices-2026.csv", status=303)
    file = await owner.http.get(away.location)
    assert "prices-2026.csv" in file.headers["content-disposition"]
    wrong = await owner.get(f"{at}../etc", status=422)
    assert wrong.one("//*[@id='faults']//a").get("href") == "#f-name"
    assert wrong.value("name") == "../etc"
    form = await owner.get(f"/runs/{run}/export")
    default = form.one("//input[@name='name']").get("placeholder")
    away = await owner.get(at, status=303)
    assert away.location.endswith(f"/{default}.csv") and "_20" in default
    page = await owner.get(f"{at}mine&do=link")
    link = page.one("//button[@aria-label='Copy link']").get("data-copy")
    assert link.endswith("/mine.csv") and "for 15 min" in page.text
    async with stranger(app) as guest:
        assert (await guest.http.get(link)).text == "b\r\n1\r\n"


async def test_an_export_can_have_a_chinese_name(app: App, owner: Visitor) -> None:
    run = await finished(app, [{"b": 1}])
    away = await owner.get(f"/runs/{run}/export/file?format=csv&name=价格", status=303)
    assert away.location.endswith("/%E4%BB%B7%E6%A0%BC.csv")
    file = await owner.http.get(away.location)
    assert file.text == "b\r\n1\r\n"
    assert file.headers["content-disposition"] == (
        "attachment; filename=\"__.csv\"; filename*=UTF-8''%E4%BB%B7%E6%A0%BC.csv"
    )


async def test_an_export_can_have_a_name_with_spaces(app: App, owner: Visitor) -> None:
    run = await finished(app, [{"b": 1}])
    form = await owner.get(f"/runs/{run}/export")
    assert "spaces, dots, hyphens and underscores" in form.text
    address = f"/runs/{run}/export/file?format=csv&name=+my+prices+"
    away = await owner.get(address, status=303)
    file = await owner.http.get(away.location)
    assert file.headers["content-disposition"] == 'attachment; filename="my prices.csv"'


async def test_enter_in_the_export_form_downloads(app: App, owner: Visitor) -> None:
    page = await owner.get(f"/runs/{await finished(app, [{'b': 1}])}/export")
    first = page.all("//form[contains(@class, 'export-form')]//button[not(@type='button')]")[0]
    assert first.get("name") is None  # Create link has one


async def test_an_export_that_the_page_downloads_has_an_address_and_texts(
    app: App, owner: Visitor
) -> None:
    run = await finished(app, [{"b": 1}])
    at = f"/runs/{run}/export/file?do=save&name=mine&format="
    element = (await owner.get(f"{at}csv", part=True)).one("//export-file")
    assert element.get("data-name") == "mine.csv"
    assert element.get("data-renew") == f"{at}csv"
    assert element.get("data-zone") == "UTC"
    asked = {"range": "bytes=2-", "accept-encoding": "identity"}
    file = await owner.http.get(element.get("data-address"), headers=asked)
    assert (file.status_code, file.text) == (206, "\n1\r\n")
    assert parsedate_to_datetime(file.headers["last-modified"]).tzinfo is not None
    refused = await owner.get(f"{at}doc", part=True, status=422)
    assert refused.all("//form//*[@id='faults']")


async def test_a_format_with_a_limit_below_the_run_is_marked(app: App, owner: Visitor) -> None:
    run = await finished(app, [{f"c{n}": n for n in range(300)}])
    page = await owner.get(f"/runs/{run}/export")
    old = page.one("//input[@name='format' and @value='xls']")
    assert old.get("disabled") is None, "fields can be selected"
    assert "At most 256 columns: select fields below" in page.text
    all_fields = await owner.get(f"/runs/{run}/export/file?format=xls", status=422)
    fault = all_fields.one("//*[@id='faults']").text_content()
    assert "xls allows at most 256 columns" in fault and "filter_keys" not in fault
    await owner.get(f"/runs/{run}/export/file?format=xls&key=c1", status=303)
    assert page.all("//textarea[@name='keys']")
    assert page.one("//input[@name='format' and @value='xlsx']").get("disabled") is None
