"""The log of a run: its end, any position in it, and lines that are difficult to show."""

from __future__ import annotations

from fyke.model.log import NewLogEntry
from fyke.model.results import AttemptBatch
from support.app import App
from support.pages import Visitor
from support.run_pages import finished, started


async def test_the_log_opens_at_its_end_and_has_links_to_any_position(
    app: App, owner: Visitor
) -> None:
    run = await finished(app, [{"n": 1}], log=[f"line {n}" for n in range(1, 1201)])
    page = await owner.get(f"/runs/{run}/log")
    shown = page.all("//ol[@id='log-lines']/li/@id")
    assert (len(shown), shown[0], shown[-1]) == (500, "l-701", "l-1200")
    earlier = page.one("//a[@data-earlier]").get("href")
    before = await owner.get(earlier)
    assert before.all("//ol[@id='log-lines']/li/@id")[-1] == "l-700"
    part = await owner.get(earlier, part=True)
    assert part.raw.count("<hx-partial") == 2
    first = await owner.get(f"/runs/{run}/log?after=0")
    assert first.all("//ol[@id='log-lines']/li/@id")[0] == "l-1"
    found = await owner.get(f"/runs/{run}/log?search=LINE 99")
    assert found.all("//ol[@id='log-lines']/li/@id") == [
        "l-99",
        *(f"l-{n}" for n in range(990, 1000)),
    ]
    named = await owner.get(f"/runs/{run}/log?line=600")
    assert named.one("//li[contains(@class, 'chosen')]").get("id") == "l-600"
    nothing = await owner.get(f"/runs/{run}/log?search=nowhere")
    assert "No line matches" in nothing.text and nothing.value("search") == "nowhere"
    assert page.all(f"//a[@href='/runs/{run}/log/download']")
    away = await owner.get(f"/runs/{run}/log/download", status=303)
    file = await owner.http.get(away.location)
    assert file.status_code == 200 and file.text.count("\n") == 1200


async def test_a_line_with_a_megabyte_of_escape_sequences_is_shown(
    app: App, owner: Visitor
) -> None:
    run = await started(app)
    [lease] = await app.begin()
    text = "\x1b[31mred \x1b[0m<b>\x1b]8;;javascript:x\x07 https://a.example/ " * 20_000
    entry = NewLogEntry(2, lease.attempt.number, text, 5)
    await app.results.commit([AttemptBatch(run, lease.attempt.id, log=[entry])])
    page = await owner.get(f"/runs/{run}/log")
    assert len(page.raw) < 200_000
    assert page.all("//span[contains(@class, 'ansi-red')]")
    assert "\x1b" not in page.raw and "javascript:" not in page.raw
    link = page.all("//li//a[starts-with(@href, 'http')]")[0]
    assert link.get("rel") == "nofollow noopener noreferrer"
    more = page.one("//a[@class='line-more']").get("href")
    whole = await owner.get(more)
    assert whole.text.count("red") >= 20_000
    file = await owner.get(f"{more}/text")
    assert file.answer.text == text
