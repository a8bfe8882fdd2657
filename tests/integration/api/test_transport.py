"""Common rules of all operations: methods, bodies, credentials, limits, hosts and errors."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import structlog

from fyke import errors
from fyke.api.app import REFUSED_LINES
from fyke.api.decode import MAX_BODY_BYTES, MAX_INPUT_BYTES
from fyke.api.envelope import V2_PREFIX
from fyke.model.billing import Prices
from fyke.reasons import Detail, DetailCode
from support.api import Api, client, fails, start_body
from support.app import App, open_app

pytestmark = pytest.mark.anyio

DETAIL = "/api/v1/run/detail"
INFO = "/api/v1/account/info"


# --- path and method -----------------------------------------------------------------------


@pytest.mark.common_app
@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/api",
        "/api/v1",
        "/api/v2/nothing",
        "/api/v1/runs",
        "/docs/api/x",
        "/redoc",
        "/api/v1/runs/x/results",
        "/api/v1/tasks/x/run",
        "/api/v1/run/detail/",
        "/API/V1/RUN/DETAIL",
        "/api/v1//run/detail",
        "/files",
        "/files/a/b/c",
        "/healthz/",
    ],
)
async def test_an_unknown_path_is_refused_in_json(api: Api, path: str) -> None:
    for method in ("GET", "POST"):
        second = path.startswith(V2_PREFIX)
        code, words = (11004, "not found") if second else (4040, "Resource not found")
        fails(await api.send(method, path), 404, code, words)


@pytest.mark.common_app
@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", DETAIL, "POST"),
        ("PUT", DETAIL, "POST"),
        ("POST", "/api/store", "GET"),
        ("DELETE", "/api/scraper", "GET"),
        ("PATCH", "/api/fyke/keys", "GET, POST"),
        ("OPTIONS", INFO, "POST"),
        ("TRACE", INFO, "POST"),
        # the literal path takes precedence over the template: "export" is not the id of a run
        ("PATCH", "/api/fyke/alerts/rules/preview", "POST"),
        ("PATCH", "/api/fyke/runs/bulk", "POST"),
        ("GET", "/api/fyke/runs/bulk", "POST"),
        ("DELETE", "/api/fyke/uploads/git", "POST"),
        ("PATCH", "/api/fyke/runs/export", "GET"),
        ("PATCH", "/api/fyke/runs/x", "DELETE, GET"),
        ("PATCH", "/api/fyke/uploads/git", "POST"),
    ],
)
async def test_a_wrong_method_is_refused_in_json(
    api: Api, method: str, path: str, allowed: str
) -> None:
    answer = await api.send(method, path, headers={"X-HTTP-Method-Override": "POST"})
    fails(answer, 405, 4000, allowed)
    assert answer.headers["allow"] == allowed


# --- bodies --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind",
    [
        "application/json",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "nonsense",
        None,
    ],
)
async def test_the_body_is_json_whatever_its_content_type(
    api: Api, run_slug: str, kind: str | None
) -> None:
    headers = {"content-type": kind} if kind else {}
    body = b"\xef\xbb\xbf" + json.dumps({"run_slug": run_slug, "unknown": [1]}).encode()
    answer = await api.send("POST", DETAIL, content=body, headers=headers)
    assert answer.json()["data"]["slug"] == run_slug


@pytest.mark.common_app
@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b'"text"',
        b"1",
        b"{'run_slug':1}",
        b'{"run_slug":NaN}',
        b"{}{}",
        b'{"a":1e999}',
        b'{"run_slug":"\xff"}',
        b"<xml/>",
        b"run_slug=x",
        b'{"a":' + b"9" * 5000 + b"}",
        b'{"a":' + b"[" * 65 + b"]" * 65 + b"}",
        b"[" * 100_000,
        b'{"a":"\\ud800"}',
        b"\x00",
    ],
)
async def test_a_body_that_is_not_a_json_object_is_refused(api: Api, body: bytes) -> None:
    fails(await api.send("POST", DETAIL, content=body), 400, 4000, "Invalid request parameters")


async def test_credentials_are_checked_before_syntax(api: Api) -> None:
    fails(await api.send("POST", DETAIL, content=b"{", key=None), 401, 20001)


async def test_a_body_that_is_too_large_is_refused_unread(api: Api) -> None:
    async def chunks(number: int) -> Any:
        for _ in range(number):
            yield b" " * 2**20

    for path, limit, text in (
        (DETAIL, MAX_BODY_BYTES, "1 MiB"),
        ("/api/v1/scraper/run", MAX_INPUT_BYTES, "10 MiB"),
    ):
        body = b'{"a":"' + b"x" * limit + b'"}'
        fails(await api.send("POST", path, content=body), 413, 4000, text)
        sent = chunks(limit // 2**20 + 1)
        fails(await api.send("POST", path, content=sent), 413, 4000, text)
    archive = await api.send(
        "POST",
        "/api/v2/workers/owner~x/versions",
        content=b"",
        headers={"content-length": str(60 * 2**20), "content-type": "multipart/form-data"},
    )
    fails(archive, 413, 11000, "51 MiB")


async def test_a_compressed_body_is_refused(api: Api) -> None:
    answer = await api.send("POST", DETAIL, content=b"x", headers={"content-encoding": "gzip"})
    fails(answer, 415, 4000, "uncompressed")


# --- credentials ---------------------------------------------------------------------------


@pytest.mark.common_app
@pytest.mark.parametrize(
    "headers",
    [
        {"api-key": "{key}"},
        {"API-KEY": "  {key} "},
        {"x-api-key": "{key}"},
        {"authorization": "Bearer {key}"},
        {"authorization": "bearer   {key} "},
        {"Authorization": "BEARER {key}", "api-key": "wrong"},
        {"authorization": "Basic abc", "api-key": "{key}"},
        {"authorization": "Bearer {key}", "api-key": "{key}"},
    ],
)
async def test_the_key_is_accepted_in_every_place(
    app: App, api: Api, headers: dict[str, str]
) -> None:
    sent = {name: value.format(key=app.owner_key) for name, value in headers.items()}
    assert (await api.post(INFO, key=None, headers=sent)).status_code == 200


async def test_the_token_in_the_query_has_the_lowest_priority(app: App, api: Api) -> None:
    path = f"{INFO}?token={app.owner_key}"
    assert (await api.post(path, key=None)).status_code == 200
    fails(await api.post(path, key="wrong"), 401, 20001)


@pytest.mark.common_app
@pytest.mark.parametrize(
    "key", [None, "x", "scraper_api_01KJXSR49GEMBEZZ5FZDPVNBWK", "é" * 20, "k" * 9000, "' OR 1=1"]
)
async def test_missing_and_wrong_keys_are_refused(api: Api, key: str | None) -> None:
    headers = {"authorization": f"Bearer {key}".encode()} if key else {}
    body = fails(await api.post(INFO, key=None, headers=headers), 401, 20001)
    assert body["message"] == "Invalid API key"
    assert "details" not in body


async def test_expired_and_revoked_keys_are_refused(app: App, api: Api) -> None:
    accounts = app.services.accounts
    new = await accounts.create_key(app.owner, "brief")
    assert (await api.post(INFO, key=new.key)).status_code == 200
    await accounts.revoke_key(app.owner, "brief")
    fails(await api.post(INFO, key=new.key), 401, 20001)

    key = await accounts.create_key(app.owner, "old", expires_at=4_000_000_000_000)

    def expire(tx: Any) -> None:
        from sqlalchemy import text

        tx.runs._db.execute(text("UPDATE api_keys SET expires_at = 1 WHERE id = :i"), {"i": key.id})

    await app.storage.write(expire)
    fails(await api.post(INFO, key=key.key), 401, 20002, "API key expired")


# --- the error table -----------------------------------------------------------------------


@pytest.mark.common_app
@pytest.mark.parametrize(
    ("error", "status", "code", "text"),
    [
        (errors.InvalidRequest(), 400, 4000, "Invalid request parameters"),
        (errors.Forbidden(), 401, 4010, "Unauthorized access"),
        (errors.NotFound(), 404, 4040, "Resource not found"),
        (errors.RateLimited(3), 429, 4290, "Too many requests, please try again later"),
        (errors.UserMissing(), 401, 10001, "User does not exist"),
        (errors.UserDisabled(), 401, 10002, "User is disabled"),
        (errors.InvalidKey(), 401, 20001, "Invalid API key"),
        (errors.ExpiredKey(), 401, 20002, "API key expired"),
        (errors.InsufficientBalance(), 400, 30001, "Insufficient balance"),
        (errors.InsufficientTraffic(), 400, 30002, "Insufficient traffic quota"),
        (errors.WorkerNotFound(), 404, 50001, "Worker does not exist"),
        (errors.RunRefused(), 400, 50002, "Worker execution failed"),
        (errors.VersionUnavailable(), 400, 50003, "Worker version unavailable"),
        (errors.TaskNotFound(), 404, 60001, "Task does not exist"),
        (errors.RunNotFound(), 404, 70001, "Run record does not exist"),
        (errors.RunNotAbortable(), 400, 70002, "Run abort failed"),
        (errors.Unavailable(), 503, 5000, "Service temporarily unavailable"),
        (errors.StaleLease("secret"), 500, 5000, "Internal server error"),
        (errors.Conflict(), 409, 4000, "Conflict"),
        (RuntimeError("/etc/passwd token=abc"), 500, 5000, "Internal server error"),
        (KeyError("secret"), 500, 5000, "Internal server error"),
    ],
)
async def test_every_error_has_a_row_in_the_table(
    app: App,
    api: Api,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    status: int,
    code: int,
    text: str,
) -> None:
    async def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(type(app.services.runs), "get", fail)
    answer = await api.post(DETAIL, {"run_slug": "x"})
    expected = f'{{"code":{code},"message":"{text}","data":null}}'
    assert (answer.status_code, answer.text) == (status, expected)
    assert ("retry-after" in answer.headers) == (code == 4290)


# --- rate limits ---------------------------------------------------------------------------


async def test_a_key_over_its_rate_gets_the_time_to_wait(app: App) -> None:
    async with client(app.asgi(rate_limit=0.5, rate_burst=3)) as http:
        api = Api(http, app.owner_key)
        for _ in range(3):
            assert (await api.post(INFO)).status_code == 200
        answer = await api.post(INFO)
        fails(answer, 429, 4290)
        assert answer.headers["retry-after"] == "2"
        assert (await api.post(INFO, key=app.other_key)).status_code == 200
        assert (await api.get("/api/store?search=x", key=None)).status_code == 200


async def test_callers_without_a_key_share_the_limit_of_their_address(app: App) -> None:
    async with client(app.asgi(rate_limit=0.01, rate_burst=2)) as http:
        api = Api(http, "")
        for key in (None, "made-up-1"):
            assert (await api.get("/api/store?search=x", key=key)).status_code == 200
        fails(await api.get("/api/store?search=x", key=None), 429, 4290)
        fails(await api.get("/api/store?search=x", key="made-up-2"), 429, 4290)


async def test_guessing_is_rate_limited_and_locks_no_user_out(app: App) -> None:
    asgi = app.asgi(guesses=5, guesses_per_minute=10)
    async with client(asgi) as http:
        api = Api(http, app.owner_key)
        assert (await api.post(INFO)).status_code == 200
        statuses = [
            (await api.post(INFO, key=f"scraper_api_{n:026d}")).status_code for n in range(50)
        ]
        assert statuses == [401] * 5 + [429] * 45
        assert (await api.post(INFO)).status_code == 200
    async with client(asgi, peer="10.1.2.3") as http:
        assert (await Api(http, app.other_key).post(INFO)).status_code == 200


# --- host, proxies, CORS, ids --------------------------------------------------------------


@pytest.mark.common_app
@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil",
        "",
        "localhost:80:80",
        "127.0.0.2",
        "2130706433",
        "0x7f.1",
        "0.0.0.0",
        "[::]",
        "::1",
        "localhost evil",
        "a@localhost",
        "169.254.1.1",
        "localhost/",
        "localhost:port",
        "[::ffff:127.0.0.1]",
        "xn--lclhost",
        "*.localhost",
        "%6cocalhost",
    ],
)
async def test_an_unknown_host_is_refused_before_routing(app: App, api: Api, host: str) -> None:
    for path in ("/version", "/api/store?search=x", "/nothing", "/healthz/"):
        answer = await api.get(path, headers={"host": host})
        fails(answer, 400, 4000, "FYKE_ALLOWED_HOSTS")
    fails(await api.post("/healthz", headers={"host": host}), 400, 4000, "FYKE_ALLOWED_HOSTS")


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:8100",
        "127.0.0.1:1",
        "[::1]:8100",
        "localhost.",
        "fyke.example",
        "api.fyke.example:443",
        "192.168.1.5:8100",
    ],
)
async def test_own_host_names_are_accepted(app: App, host: str) -> None:
    asgi = app.asgi(
        host="192.168.1.5", public_url="https://fyke.example/", allowed_hosts=["api.fyke.example"]
    )
    async with client(asgi) as http:
        answer = await Api(http, "").get("/healthz", headers={"host": host}, key=None)
    assert answer.status_code == 200


async def _log_url(app: App, run: str, peer: str, headers: dict[str, str], **config: Any) -> str:
    async with client(app.asgi(**config), peer=peer) as http:
        api = Api(http, app.owner_key)
        data = await api.ok("/api/v1/run/last/log", {"run_slug": run}, headers=headers)
    return str(data["all_logs_url"]).partition("/files/")[0]


async def test_absolute_urls_follow_the_configuration_and_trusted_proxies_only(
    app: App, run_slug: str
) -> None:
    spoofed = {"x-forwarded-host": "evil.example", "x-forwarded-proto": "https"}
    assert await _log_url(app, run_slug, "127.0.0.1", spoofed) == "http://127.0.0.1:8100"
    public = {"public_url": "https://fyke.example"}
    assert await _log_url(app, run_slug, "9.9.9.9", spoofed, **public) == "https://fyke.example"
    proxied = {"x-forwarded-host": "in.example", "x-forwarded-proto": "https"}
    config = {"trusted_proxies": ["10.0.0.0/8"], "allowed_hosts": ["in.example"]}
    assert await _log_url(app, run_slug, "10.2.3.4", proxied, **config) == "https://in.example"
    assert await _log_url(app, run_slug, "11.2.3.4", proxied, **config) == "http://127.0.0.1:8100"


async def test_hsts_is_sent_only_over_https(app: App) -> None:
    async def hsts(peer: str, path: str = "/login", **config: Any) -> str | None:
        proxied = {"x-forwarded-proto": "https", "accept": "text/html"}
        async with client(app.asgi(hsts="max-age=60", **config), peer=peer) as http:
            answer = await http.get(path, headers=proxied)
        return answer.headers.get("strict-transport-security")

    assert await hsts("9.9.9.9") is None
    assert await hsts("9.9.9.9", public_url="http://127.0.0.1") is None
    assert await hsts("9.9.9.9", public_url="https://fyke.example") == "max-age=60"
    trusted = {"trusted_proxies": ["10.0.0.0/8"]}
    assert await hsts("11.2.3.4", **trusted) is None
    for path in ("/login", "/nothing", INFO, "/healthz"):
        assert await hsts("10.2.3.4", path, **trusted) == "max-age=60", path


async def test_cors_allows_any_origin_but_no_credentials(api: Api) -> None:
    answer = await api.http.options(
        INFO,
        headers={
            "origin": "https://app.example",
            "access-control-request-method": "POST",
            "access-control-request-headers": "authorization,content-type",
        },
    )
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == "*"
    allowed = answer.headers["access-control-allow-headers"]
    assert all(name in allowed for name in ("authorization", "api-key", "x-api-key"))
    assert "access-control-allow-credentials" not in answer.headers
    plain = await api.get("/api/store?search=x", key=None)
    assert plain.headers["access-control-allow-origin"] == "*"


async def test_request_ids_are_generated_or_a_safe_one_of_the_client(api: Api) -> None:
    own = (await api.get("/healthz", headers={"x-request-id": "trace-1.2"})).headers
    assert own["x-request-id"] == "trace-1.2"
    dirty = (await api.get("/healthz", headers={"x-request-id": "a b\tc"})).headers
    assert len(dirty["x-request-id"]) == 26


# --- health --------------------------------------------------------------------------------


async def test_health_reveals_no_details_without_a_key(app: App, api: Api) -> None:
    assert (await api.get("/healthz", key=None)).text.endswith('"data":null}')
    with structlog.testing.capture_logs() as logged:
        fails(await api.get("/readyz", key=None), 503, 5000)
    # scripts that start a platform poll this path until there is a runner
    assert [entry for entry in logged if entry["log_level"] not in ("debug", "info")] == []
    await app.register_runner()
    assert (await api.get("/readyz", key=None)).status_code == 200
    trouble = Detail(DetailCode.EGRESS_AWAY)
    await app.register_runner(trouble=trouble)
    fails(await api.get("/readyz", key=None), 503, 5000)
    assert set((await api.get("/version", key=None)).json()["data"]) == {"version"}


async def test_a_probe_by_the_address_of_a_pod_learns_the_status_only(app: App, api: Api) -> None:
    pod = {"host": "10.1.2.3:8100"}
    assert (await api.get("/healthz", key=None, headers=pod)).status_code == 200
    assert "no runner" in (await api.get("/readyz", key=None)).text
    answer = await api.get("/readyz", key=None, headers=pod)
    fails(answer, 503, 5000)
    assert "runner" not in answer.text and "10.1.2.3" not in answer.text
    await app.register_runner()
    assert (await api.get("/readyz", key=None, headers=pod)).status_code == 200


async def test_a_closed_storage_is_unavailable(app: App, api: Api) -> None:
    await app.storage.close()
    fails(await api.get("/readyz", key=None), 503, 5000)
    answer = await api.get("/readyz", key=None, headers={"host": "10.1.2.3"})
    fails(answer, 503, 5000)
    assert "storage" not in answer.text and "database" not in answer.text
    fails(await api.post(INFO), 503, 5000)


async def test_keys_of_removed_and_disabled_users_are_refused(app: App, api: Api) -> None:
    from sqlalchemy import text

    def change(sql: str) -> Any:
        return lambda tx: tx.runs._db.execute(text(sql), {"i": app.other.user_id})

    fresh = await app.services.accounts.create_key(app.other, "second")
    await app.storage.write(change("UPDATE users SET disabled = 1 WHERE id = :i"))
    fails(await api.post(INFO, key=fresh.key), 401, 10002, "User is disabled")


async def test_refused_requests_are_logged_with_address_and_operation(api: Api) -> None:
    with structlog.testing.capture_logs() as logged:
        assert (await api.post(INFO, key=None)).status_code == 401
        assert (await api.post(DETAIL, {"run_slug": []})).status_code == 400
        assert (await api.post(INFO, headers={"host": "evil.example"})).status_code == 400
        await api.post(INFO)
    refused = [entry for entry in logged if entry["event"] == "refused"]
    assert [(entry["status"], entry["route"]) for entry in refused] == [
        (401, INFO),
        (400, DETAIL),
        (400, ""),
    ]
    assert {(entry["log_level"], entry["address"]) for entry in refused} == {("info", "127.0.0.1")}
    assert all(entry["request_id"] for entry in refused)


async def test_a_flood_of_refused_requests_does_not_fill_the_log(api: Api) -> None:
    with structlog.testing.capture_logs() as logged:
        for _ in range(3 * REFUSED_LINES):
            await api.get("/nothing", key=None)
    assert sum(entry["event"] == "refused" for entry in logged) == REFUSED_LINES


async def test_a_key_in_the_query_is_not_logged(
    app: App, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:

    canary = app.owner_key
    with structlog.testing.capture_logs() as logged:
        for path in (INFO, DETAIL, "/nothing", "/api/store", "/api/fyke/account"):
            for method in ("GET", "POST", "PUT"):
                answer = await api.send(method, f"{path}?token={canary}", key=None)
                assert canary not in answer.text + str(answer.headers)

        async def fail(*_: Any) -> None:
            raise RuntimeError("broken")

        monkeypatch.setattr(type(app.services.runs), "get", fail)
        await api.post(f"{DETAIL}?token={canary}", {"run_slug": "x"}, key=None)
    faults = [entry for entry in logged if entry["event"] == "unexpected fault"]
    assert len(faults) == 1
    assert faults[0]["request_id"]
    assert len(logged) > 15
    assert canary not in repr(logged)


@pytest.mark.slow
async def test_injection_attempts_are_treated_as_data(app: App, api: Api) -> None:
    await app.publish()
    payloads = [
        "' OR '1'='1",
        '"; DROP TABLE runs;--',
        "%",
        "_",
        "\\",
        "*",
        "reader%",
        "\u0000",
        "${7*7}",
        "{{7*7}}",
        "../../etc/passwd",
        "\u202e",
        "😀" * 100,
        "a\r\nSet-Cookie: x=1",
        "NULL",
        "nan",
        "1e309",
        "-0",
        "[]",
        "<script>alert(1)</script>",
        "\ud7ff",
        "\uffff",
        "%00",
        "%252f",
    ]
    for text in payloads:
        for path in ("/api/store", "/api/scraper"):
            answer = await api.get(path, params={"search": text, "slug": text, "limit": text})
            assert answer.status_code in (200, 400, 404), (path, text)
        for path in (
            DETAIL,
            "/api/v1/run/list",
            "/api/v1/run/result/export",
            "/api/v1/scraper/run",
            "/api/v1/task/run",
            "/api/v1/run/result/list",
            "/api/v2/worker-tasks",
            "/api/fyke/keys",
            "/api/fyke/accounts",
        ):
            body = dict.fromkeys(
                (
                    "run_slug",
                    "scraper_slug",
                    "task_slug",
                    "format",
                    "filter_keys",
                    "status",
                    "page_index",
                    "version",
                    "callback_url",
                    "name",
                    "account",
                    "title",
                ),
                text,
            ) | {"input": {text: text, "parameters": {"custom": {text: text}, "system": {}}}}
            for left_out in ("", "status", "page_index"):
                sent = {k: v for k, v in body.items() if k != left_out}
                answer = await api.post(path, sent)
                shape = {422} if path.startswith("/api/v2/") else set()
                assert answer.status_code in {200, 400, 401, 404, 409} | shape, (path, text)
    assert (await api.get("/api/store?search=%25", key=None)).json()["data"]["scraper"] == []


async def test_extra_fields_change_nothing(app: App, api: Api) -> None:
    extra = {
        "balance": 10**9,
        "account_id": app.other.account_id,
        "operator": True,
        "role": "owner",
        "origin": "web",
        "usage": "0",
        "price": 0,
        "id": "x",
        "user_id": "x",
        "state": "succeeded",
    }
    key = app.other_key
    await api.post("/api/v1/account/info", extra, key=key)
    fails(await api.post("/api/fyke/keys", {"name": "n", **extra}, key=key), 400, 4000, *extra)
    info = (await api.get("/api/fyke/account", key=key)).json()["data"]
    assert (info["name"], info["operator"], info["balance"]) == ("other", False, "0.00")


async def test_concurrent_starts_do_not_exceed_the_balance(tmp_path: Path, templates: Path) -> None:
    folder = tmp_path / "paid"
    folder.mkdir()
    prices = Prices(Decimal(0), Decimal(0), Decimal(1), False)
    async with open_app(folder, templates, prices=prices) as app:
        await app.services.accounts.credit(app.owner, "other", Decimal(10), Decimal(0))
        worker = await app.publish()
        async with client(app.asgi()) as http:
            api = Api(http, app.other_key)
            body = start_body(worker.id)
            body["input"]["parameters"]["system"]["max_total_charge"] = 1
            answers = await asyncio.gather(
                *(api.post("/api/v1/scraper/run", body) for _ in range(40))
            )
            started = [a for a in answers if a.status_code == 200]
            assert len(started) == 10
            for answer in answers:
                if answer not in started:
                    fails(answer, 400, 30001, "Insufficient balance")
            for limit in ("-1", "NaN", "1e308", "Infinity", 10**30):
                body["input"]["parameters"]["system"]["max_total_charge"] = limit
                fails(await api.post("/api/v1/scraper/run", body), 400, 4000, "max_total_charge")
