"""Exports and signed links."""

from __future__ import annotations

import csv
import io
import itertools
import json
import random
import re
import time
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest

from fyke.domain.results.export.formats import FORMATS
from support.api import Api, client, fails
from support.app import App

pytestmark = pytest.mark.anyio

EXPORT = "/api/v1/run/result/export"
ROWS = [{"title": f"T{n}", "n": n, "=x": "+1"} for n in range(30)]


async def _link(api: Api, run: str, **fields: Any) -> str:
    data = await api.ok(EXPORT, {"run_slug": run, **fields})
    limited = str(fields.get("format")).lower() in ("xls", "xlsx")  # the length of a cell
    assert list(data) == ["download_url", *(["notes"] if limited else [])]
    return str(data["download_url"])


async def _fetch(api: Api, url: str) -> Any:
    """Fetch ``url`` as an HTTP client without a key does."""
    return await api.send("GET", url, key=None)


@pytest.mark.parametrize("format", [*FORMATS, "CSV", " Json ", None, ""])
async def test_every_format_downloads_without_a_key(
    app: App, api: Api, run_slug: str, format: str | None
) -> None:
    await app.execute(ROWS)
    url = await _link(api, run_slug, format=format)
    name = (format or "csv").strip().lower()
    parts = urlsplit(url)
    assert (parts.scheme, parts.netloc) == ("http", "127.0.0.1:8100")
    assert parts.path.rpartition("/")[2].startswith(f"exported_result_{name}_")
    assert parts.path.endswith(f".{name}")
    answer = await _fetch(api, url)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == FORMATS[name].content_type
    assert answer.headers["x-content-type-options"] == "nosniff"
    saved = answer.headers["content-disposition"]
    assert re.fullmatch(
        rf'attachment; filename="[a-z0-9.-]+_\d{{4}}-\d\d-\d\d_\d{{4}}\.{name}"', saved
    )
    assert len(answer.content) > 100


async def test_csv_and_json_contain_the_rows(app: App, api: Api, run_slug: str) -> None:
    await app.execute(ROWS)
    table = await _fetch(api, await _link(api, run_slug, format="csv"))
    lines = list(csv.DictReader(io.StringIO(table.text)))
    assert [line["title"] for line in lines] == [row["title"] for row in ROWS]
    assert lines[0]["=x"] == "+1"
    objects = json.loads((await _fetch(api, await _link(api, run_slug, format="json"))).text)
    assert [{k: o[k] for k in ("title", "n", "=x")} for o in objects] == ROWS


@pytest.mark.parametrize(
    ("keys", "columns"),
    [
        (["n", "title"], ["n", "title"]),
        ("n, title", ["n", "title"]),
        (["n", "unknown", ""], ["n"]),
        (None, ["title", "n", "=x"]),
        ([], ["title", "n", "=x"]),
        ("", ["title", "n", "=x"]),
    ],
)
async def test_filter_keys_select_columns(
    app: App, api: Api, run_slug: str, keys: Any, columns: list[str]
) -> None:
    await app.execute(ROWS)
    text = (await _fetch(api, await _link(api, run_slug, filter_keys=keys))).text
    assert text.splitlines()[0].split(",") == columns


@pytest.mark.parametrize(
    "fields",
    [
        {"format": "exe"},
        {"format": 5},
        {"filter_keys": 5},
        {"filter_keys": [1]},
        {"filter_keys": ["k" * 9000]},
        {"format": "../csv"},
    ],
)
async def test_bad_exports_are_refused(api: Api, run_slug: str, fields: dict[str, Any]) -> None:
    fails(await api.post(EXPORT, {"run_slug": run_slug, **fields}), 400, 4000, next(iter(fields)))


async def test_a_safe_csv_guards_formulas(app: App, api: Api, run_slug: str) -> None:
    await app.execute(ROWS[:1])
    text = (await _fetch(api, await _link(api, run_slug, safe=True, bom="true"))).content
    assert text.startswith(b"\xef\xbb\xbf")
    assert b"'+1" in text


async def test_the_whole_log_is_a_text_file(app: App, api: Api, run_slug: str) -> None:
    await app.execute(log=[f"line {n}\x1b[31m" for n in range(500)])
    data = await api.ok("/api/v1/run/last/log", {"run_slug": run_slug})
    assert len(data["list"]) == 200
    answer = await _fetch(api, data["all_logs_url"])
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert sum("line " in line for line in answer.text.splitlines()) == 500
    assert "\x1b" not in answer.text


async def test_a_link_ends_with_its_run(app: App, api: Api, run_slug: str) -> None:
    await app.execute(ROWS)
    url = await _link(api, run_slug)
    log = (await api.ok("/api/v1/run/last/log", {"run_slug": run_slug}))["all_logs_url"]
    assert (await _fetch(api, url)).status_code == 200
    await app.services.runs.delete(app.owner, run_slug)
    for link in (url, log):
        fails(await _fetch(api, link), 404, 4040)


async def test_a_link_expires(app: App, run_slug: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with client(app.asgi(download_seconds=900)) as http:
        api = Api(http, app.owner_key)
        url = await _link(api, run_slug)
        now = time.time()
        monkeypatch.setattr("itsdangerous.timed.time.time", lambda: now + 899)
        assert (await _fetch(api, url)).status_code == 200
        monkeypatch.setattr("itsdangerous.timed.time.time", lambda: now + 902)
        fails(await _fetch(api, url), 404, 4040)


async def test_a_link_is_valid_for_one_file_and_one_name(app: App, api: Api, run_slug: str) -> None:
    url = await _link(api, run_slug)
    log = (await api.ok("/api/v1/run/last/log", {"run_slug": run_slug}))["all_logs_url"]
    head, _, name = url.rpartition("/")
    log_head, _, log_name = log.rpartition("/")
    for wrong in (f"{head}/{log_name}", f"{log_head}/{name}", f"{head}/x.csv", f"{head}/"):
        answer = await _fetch(api, wrong)
        assert answer.status_code == 404


async def test_links_of_another_installation_are_refused(app: App, api: Api, run_slug: str) -> None:
    async with client(app.asgi(master_secret=b"another secret, 32 bytes long...")) as http:
        url = await _link(Api(http, app.owner_key), run_slug)
    fails(await _fetch(api, url), 404, 4040)


def _mutations(token: str, count: int) -> list[str]:
    """Tokens with one changed character; the last character of each part takes every value."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."
    chance = random.Random(7)
    tokens = {token[:-1] + letter for letter in alphabet}
    for part in itertools.accumulate(len(p) + 1 for p in token.split(".")):
        at = min(part - 2, len(token) - 1)
        tokens |= {token[:at] + letter + token[at + 1 :] for letter in alphabet}
    while len(tokens) < count:
        at = chance.randrange(len(token))
        letter = chance.choice(alphabet)
        cut = chance.choice((0, 1))
        tokens.add(token[:at] + letter * chance.choice((0, 1, 2)) + token[at + cut :])
    return sorted(tokens - {token, ""})[:count]


@pytest.mark.slow
@pytest.mark.parametrize("count", [400, pytest.param(10_000, marks=pytest.mark.long)])
async def test_mutated_links_are_refused(app: App, api: Api, run_slug: str, count: int) -> None:
    await app.execute(ROWS[:1])
    url = await _link(api, run_slug)
    token, _, name = urlsplit(url).path.removeprefix("/files/").partition("/")
    accepted = [
        text
        for text in _mutations(token, count)
        if (await api.http.get(f"/files/{text}/{name}")).status_code == 200
    ]
    assert accepted == []


@pytest.mark.parametrize("end", ["revoked", "disabled"])
async def test_links_end_with_the_key_that_created_them(
    app: App, api: Api, run_slug: str, end: str
) -> None:
    await app.execute(ROWS)
    new = await app.services.accounts.create_key(app.owner, "leaked")
    export = await api.ok(EXPORT, {"run_slug": run_slug, "format": "csv"}, key=new.key)
    log = await api.ok("/api/v1/run/last/log", {"run_slug": run_slug}, key=new.key)
    log_v2 = (await api.get(f"/api/v2/worker-runs/{run_slug}/log", key=new.key)).json()["data"]
    urls = [export["download_url"], log["all_logs_url"], log_v2["all_logs_url"]]
    for url in urls:
        assert (await _fetch(api, url)).status_code == 200
    of_another_key = await _link(api, run_slug, format="csv")

    def work(tx: Any) -> None:
        key = tx.accounts.key(new.id)
        if end == "revoked":
            tx.accounts.revoke_key(key.account_id, key.id, tx.now)
        else:
            tx.accounts.change_user(replace(tx.accounts.user(key.user_id), disabled=True))

    await app.storage.write(work)
    for url in urls:
        assert (await _fetch(api, url)).status_code == 404
    still = 200 if end == "revoked" else 404
    assert (await _fetch(api, of_another_key)).status_code == still
