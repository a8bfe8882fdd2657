"""Launched browsers and sessions of WebDriver, with a host and a chromedriver of the test."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from fyke.browser.connection import ExtraRoutes
from fyke.browser.driver_routes import LaunchRoutes, WebDriverRoutes
from fyke.browser.gateway import Gateway
from fyke.browser.limits import GatewayLimits
from fyke.browser.messages import Ended, Noted, Notice, Wanted
from fyke.contracts.browser import BrowserEndCause, BrowserForm, BrowserProgram, GatewayGrant
from support.browser_hosts import GUID, ScriptedHost, until
from support.browser_place import ATTEMPT, SECRET, UPGRADE, Chromium, Client
from support.egress import listener, port_of

pytestmark = pytest.mark.anyio
OPTIONS = "goog:chromeOptions"
NEW = json.dumps({"capabilities": {"alwaysMatch": {"browserName": "chrome"}}}).encode()
CLOSED = Ended(ATTEMPT, 1, BrowserEndCause.CLOSED, "")
FIRST_DRIVEN = 1_000_000


@dataclass
class Driver:
    """A chromedriver, and the Chromiums of its sessions: all at the port of ``serve``."""

    host: DriverHost | None = None
    requests: list[tuple[str, str, bytes]] = field(default_factory=list)
    sessions: int = 0
    reports: bool = True  # whether the host reports the Chromium of a new session
    answers: dict[str, bytes] = field(default_factory=dict)
    ends_at: str = ""  # the end of the path of a command that ends its Chromium before the answer
    lost: dict[str, bytes] = field(default_factory=dict)  # the starts of answers that break off
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    chromium: Chromium = field(default_factory=Chromium)

    def __post_init__(self) -> None:
        self.ready.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
        except (asyncio.IncompleteReadError, ConnectionError):  # only whether it listens was asked
            writer.close()
            return
        method, path, _ = head.split("\r\n")[0].split(" ")
        if path not in self.lost and (not path.startswith("/session") or "Upgrade" in head):
            reader.feed_data(b"")
            again = asyncio.StreamReader()
            again.feed_data(head.encode())
            copying = asyncio.create_task(copy(reader, again))
            await self.chromium.serve(again, writer)
            copying.cancel()
            return
        size = next(line for line in head.split("\r\n") if line.startswith("Content-Length: "))
        self.requests.append((method, path, await reader.readexactly(int(size[16:]))))
        await self.ready.wait()
        if self.ends_at and path.endswith(self.ends_at):
            self.end(int(path.split("/")[2].removeprefix("s")))
        if path in self.lost:
            writer.write(self.lost[path])
            writer.close()
            return
        body = self.answers.get(path) or self.answer(method, path)
        status = "500 Error" if b'"error"' in body else "200 OK"
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        await writer.drain()
        writer.close()

    def end(self, session: int) -> None:
        """End the Chromium of a session; its status is not known."""
        assert self.host is not None
        self.host.event(type="ended", instance=FIRST_DRIVEN + session - 1, status=None)

    def answer(self, method: str, path: str) -> bytes:
        assert self.host is not None
        if path == "/session":
            instance = FIRST_DRIVEN + self.sessions
            self.sessions += 1
            where = {"instance": instance, "port": self.host.port, "path": GUID}
            if self.reports:
                self.host.event(type="driven", **where)
            options = {"debuggerAddress": f"localhost:{self.host.port}"}
            found = {OPTIONS: options, "webSocketUrl": "ws://127.0.0.1:1/session/x"}
            value = {"sessionId": f"s{self.sessions}", "capabilities": found}
            return json.dumps({"value": value}).encode()
        if method == "DELETE" and path.count("/") == 2:
            self.end(int(path.rpartition("s")[2]))
        return b'{"value":null}'


async def copy(source: asyncio.StreamReader, target: asyncio.StreamReader) -> None:
    while data := await source.read(1 << 16):
        target.feed_data(data)
    target.feed_eof()


class DriverHost(ScriptedHost):
    def answer(self, frame: dict[str, object]) -> None:
        if frame["type"] == "driver":
            self.event(type="driver", id=frame["id"], port=self.port)
        else:
            super().answer(frame)


class Place:
    """A gateway with these routes, and a host that is attached when a browser is wanted."""

    def __init__(self, gateway: Gateway, port: int, host: DriverHost, driver: Driver) -> None:
        self.gateway, self.port, self.host, self.driver = gateway, port, host, driver
        self.notices: list[Notice] = []
        self.display = False

    def notify(self, notice: Notice) -> None:
        self.notices.append(notice)
        if isinstance(notice, Wanted):
            shell = BrowserProgram.HEADLESS_SHELL
            self.gateway.attach(
                ATTEMPT, self.host.theirs, 1, shell, own_sandbox=True, display=self.display
            )

    async def connect(self) -> Client:
        return Client(*await asyncio.open_connection("127.0.0.1", self.port))

    async def ask(self, method: str, path: str, body: bytes = b"") -> tuple[int, Any]:
        """One request on a connection of its own."""
        client = await self.connect()
        status, value = await ask(client, method, path, body)
        client.writer.close()
        return status, value

    def stopped(self) -> list[object]:
        return [item["instance"] for item in self.host.requests if item["type"] == "stop"]

    def deleted(self) -> list[str]:
        return [path for method, path, _ in self.driver.requests if method == "DELETE"]


async def ask(client: Client, method: str, path: str, body: bytes = b"") -> tuple[int, Any]:
    await client.ask(method, path, f"Content-Length: {len(body)}\r\n", body)
    status, _, answer = await client.answer()
    try:
        return status, json.loads(answer)
    except ValueError:
        return status, answer.decode().strip()


@asynccontextmanager
async def place(*, routes: Sequence[ExtraRoutes] = (), **limits: float) -> AsyncIterator[Place]:
    limits.setdefault("keep_seconds", 0.0)
    routes = routes or [LaunchRoutes(), WebDriverRoutes()]
    gateway = Gateway(GatewayLimits(**limits), routes)  # type: ignore[arg-type]
    sock, driver = listener(), Driver()
    async with DriverHost(driver.serve) as host, asyncio.timeout(60):
        driver.host = host
        made = Place(gateway, port_of(sock), host, driver)
        await gateway.open([sock], GatewayGrant(ATTEMPT, SECRET), made.notify)
        try:
            yield made
        finally:
            gateway.stop()


def launch(*arguments: str, **fields: Any) -> bytes:
    return json.dumps({"arguments": arguments, "display": False} | fields).encode()


async def test_a_launched_browser_lives_as_long_as_its_connection() -> None:
    async with place() as gateway:
        leash = await gateway.connect()
        status, text = await ask(leash, "POST", "/fyke/launch", launch("--headless", "--a=b"))
        assert (status, text) == (200, f"1 {GUID}")
        assert gateway.notices[0] == Wanted(ATTEMPT, BrowserForm.LAUNCH)
        start = gateway.host.requests[0]
        assert (start["instance"], start["arguments"]) == (1, ["--headless", "--a=b"])
        leash.writer.close()
        await until(lambda: gateway.host.ended)
        assert gateway.stopped() == [1]
        assert gateway.notices[-1] == CLOSED


async def test_the_connection_ends_with_the_launched_browser() -> None:
    async with place() as gateway:
        leash = await gateway.connect()
        await ask(leash, "POST", "/fyke/launch", launch())
        gateway.host.event(type="ended", instance=1, status=0)
        assert await leash.reader.read() == b""


async def test_the_devtools_of_a_launched_browser() -> None:
    async with place() as gateway:
        url = b'{"webSocketDebuggerUrl": "ws://127.0.0.1:3/devtools/browser/a"}'
        gateway.driver.chromium.bodies = {"/json/version": url}
        leash = await gateway.connect()
        await ask(leash, "POST", "/fyke/launch", launch())
        status, found = await gateway.ask("GET", "/fyke/instance/1/json/version")
        assert status == 200
        assert found == {"webSocketDebuggerUrl": "ws://browser.test:80/devtools/browser/a"}
        client = await gateway.connect()
        await client.ask("GET", f"/fyke/instance/1{GUID}", UPGRADE)
        assert (await client.answer())[0] == 101
        await client.say({"id": 5})
        assert await client.hear() == {"id": 5}
        for path in (
            "/fyke/instance/2/json/version",
            "/fyke/instance/x",
            "/fyke/instance/1/session",
        ):
            assert (await gateway.ask("GET", path))[0] == 404
        leash.writer.close()


async def test_a_window_that_was_asked_for_is_said_to_be_missing() -> None:
    async with place() as gateway:
        leash = await gateway.connect()
        assert (await ask(leash, "POST", "/fyke/launch", launch(display=True)))[0] == 200
        [note] = [item for item in gateway.notices if isinstance(item, Noted)]
        assert "with a window" in note.text and '"browser": "headful"' in note.text


@pytest.mark.parametrize("display", [True, False])
async def test_a_run_with_windows_has_what_was_asked_for(display: bool) -> None:
    async with place() as gateway:
        gateway.display = True
        leash = await gateway.connect()
        assert (await ask(leash, "POST", "/fyke/launch", launch(display=display)))[0] == 200
        assert not [item for item in gateway.notices if isinstance(item, Noted)]


@pytest.mark.parametrize(
    ("arguments", "is_relayed", "is_noted"),
    [([], True, True), (["--headless=new"], True, False), ([], False, False)],
)
async def test_a_driver_of_the_worker_itself_says_whether_it_wants_a_window(
    arguments: list[str], is_relayed: bool, is_noted: bool
) -> None:
    async with place() as gateway:
        prefix = ""
        if is_relayed:
            leash = await gateway.connect()
            _, prefix = await ask(leash, "POST", "/fyke/driver/", b"")
        options = {"goog:chromeOptions": {"args": arguments}}
        body = json.dumps({"capabilities": {"alwaysMatch": options}}).encode()
        assert (await gateway.ask("POST", f"{prefix}/session", body))[0] == 200
        noted = [item for item in gateway.notices if isinstance(item, Noted)]
        assert ["window" in item.text for item in noted] == [True] * is_noted


@pytest.mark.parametrize("body", [b"", b"{}", launch("x" * 5000)])
async def test_a_launch_that_cannot_be_read(body: bytes) -> None:
    async with place() as gateway:
        assert (await gateway.ask("POST", "/fyke/launch", body))[0] == 400
        assert gateway.notices == []


async def test_large_requests_wait_for_each_other_only_until_they_are_read() -> None:
    async with place(large=1, answer_seconds=0.1) as gateway:
        await gateway.ask("POST", "/session", NEW)
        gateway.driver.ready.clear()
        command = json.dumps({"script": "x" * 100_000}).encode()
        slow = asyncio.create_task(gateway.ask("POST", "/session/s1/execute/async", command))
        await until(lambda: len(gateway.driver.requests) == 2)
        room = gateway.gateway._attempts[ATTEMPT].room
        await until(lambda: not room.locked())  # while the command runs
        sending = await gateway.connect()
        size = f"Content-Length: {len(command)}\r\n"
        await sending.ask("POST", "/session/s1/url", size, command[:-1])
        await until(room.locked)
        status, text = await gateway.ask("POST", "/session/s1/url", command)
        assert (status, "send fewer large ones at once" in text) == (503, True)
        gateway.driver.ready.set()
        assert (await slow)[0] == 200


async def test_a_launch_is_limited() -> None:
    async with place() as gateway:
        status, text = await gateway.ask("POST", "/fyke/launch", launch(*["x" * 4000] * 16))
        assert (status, text) == (413, "the body has more than 61440 bytes")
        client = await gateway.connect()
        assert (await ask(client, "POST", "/fyke/launch", launch(*["x" * 4000] * 15)))[0] == 200


async def test_launched_browsers_and_sessions_are_limited_together() -> None:
    async with place(instances=2) as gateway:
        leash = await gateway.connect()
        await ask(leash, "POST", "/fyke/launch", launch())
        assert (await gateway.ask("POST", "/session", NEW))[0] == 200
        status, text = await gateway.ask("POST", "/fyke/launch", launch())
        assert (status, "at most 2 browsers" in text) == (503, True)
        status, value = await gateway.ask("POST", "/session", NEW)
        assert (status, value["value"]["error"]) == (500, "session not created")
        text = (
            "A browser was refused: at most 2 browsers at once (setting browser_instances); close "
            "one before you start another."
        )
        assert [item.text for item in gateway.notices if isinstance(item, Noted)] == [text]
        leash.writer.close()
        await until(lambda: gateway.stopped() == [1])
        assert (await gateway.ask("POST", "/session", NEW))[0] == 200


@pytest.mark.parametrize("lost", [False, True], ids=["closed", "with its sandbox"])
async def test_a_browser_that_closes_gives_its_place(lost: bool) -> None:
    async with place(instances=1) as gateway:
        leash = await gateway.connect()
        await ask(leash, "POST", "/fyke/launch", launch())
        gateway.host.before = lambda frame: frame["type"] != "stop"
        leash.writer.close()
        await until(lambda: gateway.stopped() == [1])
        starting = asyncio.create_task(gateway.ask("POST", "/fyke/launch", launch()))
        browser = gateway.gateway._attempts[ATTEMPT].browser
        assert browser is not None
        await until(lambda: browser._users == 2)  # it waits
        if lost:
            gateway.host.end()
        else:
            gateway.host.event(type="ended", instance=1, status=0)
        status, text = await starting
        assert status == (503 if lost else 200)
        assert not lost or "the sandbox of the browser has ended" in text


async def test_a_browser_that_does_not_close_keeps_its_place() -> None:
    async with place(instances=1, close_seconds=0.01) as gateway:
        leash = await gateway.connect()
        await ask(leash, "POST", "/fyke/launch", launch())
        gateway.host.before = lambda frame: frame["type"] != "stop"
        leash.writer.close()
        await until(lambda: gateway.stopped() == [1])
        status, text = await gateway.ask("POST", "/fyke/launch", launch())
        assert (status, "at most 1 browsers" in text) == (503, True)


async def test_browsers_that_always_crash_are_started_few_times() -> None:
    async with place() as gateway:
        keeps = await gateway.connect()  # the sandbox
        await ask(keeps, "POST", "/fyke/launch", launch())
        for number in range(2, 2 + 19):
            leash = await gateway.connect()
            assert (await ask(leash, "POST", "/fyke/launch", launch()))[0] == 200
            gateway.host.event(type="ended", instance=number, status=-5)
            assert await leash.reader.read() == b""
        closed = await gateway.connect()
        await ask(closed, "POST", "/fyke/launch", launch())
        closed.writer.close()
        await until(lambda: 21 in gateway.stopped())
        gateway.host.before = lambda frame: (
            frame["type"] != "start"
            or bool(gateway.host.event(type="failed", id=frame["id"], error="no memory"))
        )
        assert (await gateway.ask("POST", "/fyke/launch", launch()))[0] == 503
        gateway.host.before = lambda frame: True
        status, text = await gateway.ask("POST", "/fyke/launch", launch())
        assert (status, text) == (503, "the attempt has started 20 browsers within a minute")
        status, value = await gateway.ask("POST", "/session", NEW)
        assert (status, value["value"]["error"]) == (500, "session not created")
        line = "The Worker gets no browser: the attempt has started 20 browsers within a minute."
        assert [item.text for item in gateway.notices if isinstance(item, Noted)] == [line]
        keeps.writer.close()


async def test_those_that_start_at_the_same_time_are_counted() -> None:
    async with place(instances=2) as gateway:
        gateway.driver.ready.clear()
        first = asyncio.create_task(gateway.ask("POST", "/session", NEW))
        await until(lambda: gateway.driver.requests)
        gateway.driver.reports = False
        gateway.host.event(type="driven", instance=FIRST_DRIVEN, port=gateway.host.port, path=GUID)
        leashes = [await gateway.connect() for _ in range(2)]
        answers = [await ask(leash, "POST", "/fyke/launch", launch()) for leash in leashes]
        assert [status for status, _ in answers] == [200, 503]
        gateway.driver.ready.set()
        assert (await first)[0] == 200


async def test_no_number_is_used_twice() -> None:
    async with place() as gateway:
        keeps = await gateway.connect()
        await ask(keeps, "POST", "/fyke/launch", launch())
        for number in ("2", "3"):
            leash = await gateway.connect()
            _, text = await ask(leash, "POST", "/fyke/launch", launch())
            assert text.split()[0] == number
            leash.writer.close()
            await until(lambda number=number: int(number) in gateway.stopped())


async def test_the_driver_starts_the_browser_of_the_run() -> None:
    async with place() as gateway:
        assert (await gateway.ask("POST", "/session", NEW))[0] == 200
        [asked] = [item for item in gateway.host.requests if item["type"] == "driver"]
        assert asked["program"] == "headless-shell"


@pytest.mark.parametrize("prefix", ["", "/wd/hub"])
async def test_a_session_on_one_connection(prefix: str) -> None:
    async with place() as gateway:
        client = await gateway.connect()
        status, created = await ask(client, "POST", f"{prefix}/session", NEW)
        assert gateway.notices[0] == Wanted(ATTEMPT, BrowserForm.WEBDRIVER)
        found = created["value"]["capabilities"]
        assert (status, created["value"]["sessionId"]) == (200, "s1")
        assert found[OPTIONS] == {"debuggerAddress": "browser.test:80"}
        assert found["webSocketUrl"] == "ws://browser.test:80/session/s1"
        _, _, body = gateway.driver.requests[0]
        assert b'"binary":"/run/fyke/chromium"' in body
        assert await ask(client, "POST", f"{prefix}/session/s1/url", b'{"url":"a"}') == (
            200,
            {"value": None},
        )
        assert gateway.driver.requests[1] == ("POST", "/session/s1/url", b'{"url":"a"}')
        large = json.dumps({"value": "x" * 20_000_000}).encode()
        gateway.driver.answers["/session/s1/screenshot"] = large
        _, picture = await ask(client, "GET", f"{prefix}/session/s1/screenshot")
        assert len(picture["value"]) == 20_000_000
        await ask(client, "DELETE", f"{prefix}/session/s1")
        await until(lambda: CLOSED in gateway.notices)
        status, gone = await ask(client, "GET", f"{prefix}/session/s1/url")
        assert (status, gone["value"]["error"]) == (404, "invalid session id")


async def test_the_devtools_of_a_session() -> None:
    async with place() as gateway:
        await gateway.ask("POST", "/session", NEW)
        for path, target in (("/session/s1/se/cdp", GUID), ("/session/s1", "/session/s1")):
            client = await gateway.connect()
            await client.ask("GET", path, UPGRADE)
            assert (await client.answer())[0] == 101
            await client.say({"id": 5})
            assert await client.hear() == {"id": 5}
            assert gateway.driver.chromium.heads[-1].startswith(f"GET {target} HTTP/1.1\r\n")


async def test_what_needs_no_browser_starts_none() -> None:
    async with place() as gateway:
        status, value = await gateway.ask("GET", "/status")
        assert (status, value["value"]["ready"]) == (200, True)
        assert (await gateway.ask("GET", "/wd/hub/status"))[0] == 200
        assert (await gateway.ask("POST", "/session", b'{"capabilities": []}'))[0] == 400
        assert (await gateway.ask("POST", "/session", b'{"headless": true}'))[0] == 501
        status, value = await gateway.ask("POST", "/session", b'{"capabilities":')
        assert (status, value["value"]["error"]) == (400, "invalid argument")
        assert (await gateway.ask("DELETE", "/session"))[0] == 404
        status, value = await gateway.ask("GET", "/session/abc/url")
        assert (status, value["value"]["error"]) == (404, "invalid session id")
        assert not any(isinstance(item, Wanted) for item in gateway.notices)


async def test_a_request_for_a_session_is_limited() -> None:
    async with place() as gateway:
        options = {"extensions": ["A" * 65536]}
        body = json.dumps({"capabilities": {"alwaysMatch": {OPTIONS: options}}}).encode()
        client = await gateway.connect()
        status, value = await ask(client, "POST", "/session", body)
        assert (status, value["value"]["error"]) == (400, "invalid argument")
        text = f"has {len(body)} bytes, and may have 65536: leave out extensions"
        assert text in value["value"]["message"]
        assert await client.reader.read() == b""  # the body was not read
        assert gateway.notices == []


async def test_a_proxy_in_the_capabilities_is_said_to_be_ignored() -> None:
    async with place() as gateway:
        body = {"capabilities": {"alwaysMatch": {"proxy": {"httpProxy": "a:1"}}}}
        await gateway.ask("POST", "/session", json.dumps(body).encode())
        texts = [item.text for item in gateway.notices if isinstance(item, Noted)]
        assert texts == ["proxy was ignored: the browser always uses the proxy of the run."]


async def test_a_session_opens_no_file() -> None:
    async with place() as gateway:
        await gateway.ask("POST", "/session", NEW)
        for path, body in (
            ("url", {"url": "file:///etc/passwd"}),
            ("goog/cdp/execute", {"cmd": "Page.navigate", "params": {"url": "file:///"}}),
        ):
            raw = json.dumps(body).encode()
            status, value = await gateway.ask("POST", f"/session/s1/{path}", raw)
            assert (status, value["value"]["error"]) == (400, "invalid argument")
            status, value = await gateway.ask("POST", f"/session/s1//{path}", raw)
            assert (status, value["value"]["error"]) == (404, "unknown command")
        client = await gateway.connect()
        await client.ask("GET", "/session/s1", UPGRADE)
        await client.answer()
        params = {"url": "file:///", "context": "A"}
        await client.say({"id": 1, "method": "browsingContext.navigate", "params": params})
        answer = await client.hear()
        assert isinstance(answer, dict)
        assert (answer["type"], answer["error"]) == ("error", "invalid argument")
        assert len(gateway.driver.requests) == 1
        notes = [item.code for item in gateway.notices if isinstance(item, Noted)]
        assert notes == ["file_url"]


async def test_a_file_is_uploaded_as_chromedriver_knows_it() -> None:
    async with place() as gateway:
        await gateway.ask("POST", "/session", NEW)
        await gateway.ask("POST", "/wd/hub/session/s1/se/file", b'{"file": "UEs="}')
        assert gateway.driver.requests[1] == ("POST", "/session/s1/file", b'{"file": "UEs="}')


async def test_sessions_of_a_relayed_driver_end_with_it() -> None:
    async with place() as gateway:
        leash = await gateway.connect()
        status, prefix = await ask(leash, "POST", "/fyke/driver/")
        assert (status, prefix) == (200, "/fyke/driver/1")
        _, created = await gateway.ask("POST", f"{prefix}/session", NEW)
        assert created["value"]["sessionId"] == "s1"
        await gateway.ask("POST", "/session", NEW)  # by another client
        assert (await gateway.ask("GET", f"{prefix}/session/s1/url"))[0] == 200
        leash.writer.close()
        await until(lambda: gateway.deleted() == ["/session/s1"])
        assert (await gateway.ask("GET", "/session/s2/url"))[0] == 200


async def test_the_drivers_of_each_attempt_have_numbers_of_their_own() -> None:
    routes = [WebDriverRoutes()]
    for _ in range(2):
        async with place(routes=routes) as gateway:
            first, second = await gateway.connect(), await gateway.connect()
            assert await ask(first, "POST", "/fyke/driver/") == (200, "/fyke/driver/1")
            assert await ask(second, "POST", "/fyke/driver/") == (200, "/fyke/driver/2")


async def test_a_client_that_leaves_meanwhile_leaves_no_session() -> None:
    async with place() as gateway:
        gateway.driver.ready.clear()
        client = await gateway.connect()
        await client.ask("POST", "/session", f"Content-Length: {len(NEW)}\r\n", NEW)
        await until(lambda: gateway.driver.requests)
        client.writer.close()
        connection = next(iter(gateway.gateway._attempts[ATTEMPT]._connections.values()))
        await connection.gone
        gateway.driver.ready.set()
        await until(lambda: gateway.deleted() == ["/session/s1"])
        await until(lambda: CLOSED in gateway.notices)
        assert gateway.deleted() == ["/session/s1"]
        assert (await gateway.ask("GET", "/session/s1/url"))[0] == 404


async def test_a_session_whose_browser_is_not_reported_is_ended() -> None:
    async with place() as gateway:
        gateway.driver.reports = False
        status, value = await gateway.ask("POST", "/session", NEW)
        assert (status, value["value"]["error"]) == (500, "session not created")
        assert gateway.deleted() == ["/session/s1"]
        assert counted(gateway) == 1


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\n"])
async def test_a_command_without_an_answer_ends_no_session(answer: bytes) -> None:
    async with place() as gateway:
        await gateway.ask("POST", "/session", NEW)
        gateway.driver.lost["/session/s1/url"] = answer
        status, value = await gateway.ask("GET", "/session/s1/url")
        assert (status, value["value"]["error"]) == (500, "unknown error")
        assert (await gateway.ask("GET", "/session/s1/title"))[0] == 200


async def test_sessions_whose_browser_has_ended_are_forgotten() -> None:
    routes = WebDriverRoutes()
    async with place(routes=[routes], keep_seconds=60.0) as gateway:
        await gateway.ask("POST", "/session", NEW)
        keeps = await gateway.connect()
        await keeps.ask("GET", "/session/s1", UPGRADE)
        await keeps.answer()
        gateway.driver.end(1)
        await until(lambda: gone(gateway))
        _, created = await gateway.ask("POST", "/session", NEW)
        assert created["value"]["sessionId"] == "s2"
        [sessions] = routes._sandboxes.values()
        assert list(sessions.by_id) == ["s2"]
        assert gateway.deleted() == ["/session/s1"]
        assert await gateway.ask("DELETE", "/session/s1") == (200, {"value": None})


async def test_sessions_end_with_chromedriver() -> None:
    async with place() as gateway:
        await gateway.ask("POST", "/session", NEW)
        real = kill_driver(gateway)
        status, value = await gateway.ask("GET", "/session/s1/url")
        assert (status, value["value"]["error"]) == (404, "invalid session id")
        gateway.host.port = real


async def test_a_command_that_chromedriver_does_not_survive_ends_its_session() -> None:
    async with place() as gateway:
        await gateway.ask("POST", "/session", NEW)
        gateway.driver.lost["/session/s1/url"] = b""
        gateway.driver.ready.clear()
        asking = asyncio.create_task(gateway.ask("GET", "/session/s1/url"))
        await until(lambda: gateway.driver.requests[-1][1] == "/session/s1/url")
        real = kill_driver(gateway)
        gateway.driver.ready.set()
        status, value = await asking
        assert (status, value["value"]["error"]) == (404, "invalid session id")
        assert value["value"]["message"] == "chromedriver has ended, and its sessions with it"
        noted = [notice for notice in gateway.notices if isinstance(notice, Noted)]
        assert [notice.text for notice in noted] == [
            "chromedriver has ended, and its sessions with it."
        ]
        await until(lambda: gone(gateway))
        gateway.host.port = real


async def test_a_chromedriver_that_is_ending_may_still_accept_connections() -> None:
    async with place() as gateway:
        await gateway.ask("POST", "/session", NEW)
        gateway.driver.lost |= {"/session/s1/url": b"", "/status": b""}
        asking = asyncio.create_task(gateway.ask("GET", "/session/s1/url"))
        await until(lambda: gateway.driver.requests[-1][1] == "/status")
        real = kill_driver(gateway)
        status, value = await asking
        assert (status, value["value"]["error"]) == (404, "invalid session id")
        gateway.host.port = real


def kill_driver(gateway: Place) -> int:
    """From now on nothing accepts connections; return the port at which it did."""
    gateway.host._server.close()
    real, gateway.host.port = gateway.host.port, 1
    return real


def counted(gateway: Place) -> int:
    """How many browsers count as started by a program of the Worker."""
    return gateway.gateway._attempts[ATTEMPT]._launches._starts


def gone(gateway: Place) -> bool:
    """Whether no session has a Chromium."""
    browser = gateway.gateway._attempts[ATTEMPT].browser
    return browser is None or not any(n >= FIRST_DRIVEN for n in browser.host.endpoints)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("DELETE", "/window", b""),
        ("POST", "/goog/cdp/execute", b'{"cmd": "Browser.close", "params": {}}'),
        ("DELETE", "", b""),
    ],
)
async def test_a_session_that_its_client_ends_does_not_count(
    method: str, path: str, body: bytes
) -> None:
    async with place() as gateway:
        gateway.driver.answers["/session/s1/window"] = b'{"value":[]}'
        gateway.driver.ends_at = path or "/none"
        await gateway.ask("POST", "/session", NEW)
        assert (await gateway.ask(method, f"/session/s1{path}", body))[0] == 200
        await until(lambda: gone(gateway))
        assert counted(gateway) == 0
        await until(lambda: CLOSED in gateway.notices)


async def test_a_chromium_that_ends_before_chromedriver_can_count_windows_was_closed() -> None:
    async with place() as gateway:
        error = b'{"value":{"error":"unknown error","message":"disconnected"}}'
        gateway.driver.answers["/session/s1/window"] = error
        await gateway.ask("POST", "/session", NEW)
        assert (await gateway.ask("DELETE", "/session/s1/window"))[0] == 500
        gateway.driver.end(1)
        await until(lambda: CLOSED in gateway.notices)
        assert counted(gateway) == 0


async def test_a_chromium_that_stays_without_a_window_is_stopped() -> None:
    async with place(close_seconds=0.0) as gateway:
        gateway.driver.answers["/session/s1/window"] = b'{"value":["A"]}'
        await gateway.ask("POST", "/session", NEW)
        assert await gateway.ask("DELETE", "/session/s1/window") == (200, {"value": ["A"]})
        assert gateway.stopped() == []
        gateway.driver.answers["/session/s1/window"] = b'{"value":[]}'
        assert await gateway.ask("DELETE", "/session/s1/window") == (200, {"value": []})
        await until(lambda: gateway.stopped() == [FIRST_DRIVEN])


@pytest.mark.parametrize("method", ["browser.close", "session.end"])
async def test_a_browser_that_is_closed_by_the_bidirectional_webdriver(method: str) -> None:
    async with place() as gateway:
        await gateway.ask("POST", "/session", NEW)
        client = await gateway.connect()
        await client.ask("GET", "/session/s1", UPGRADE)
        await client.answer()
        await client.say({"id": 1, "method": method, "params": {}})
        await client.hear()
        gateway.driver.end(1)
        await until(lambda: gone(gateway))
        assert counted(gateway) == 0


async def test_a_session_whose_browser_crashes_counts() -> None:
    async with place() as gateway:
        await gateway.ask("POST", "/session", NEW)
        gateway.driver.end(1)
        await until(lambda: gone(gateway))
        assert counted(gateway) == 1


@pytest.mark.parametrize("reported", [False, True], ids=["no port", "a port"])
async def test_a_session_that_is_not_created_counts_once(reported: bool) -> None:
    async with place() as gateway:
        error = b'{"value":{"error":"session not created","message":"it crashed"}}'
        gateway.driver.answers["/session"] = error
        before = gateway.driver.answer
        if reported:  # chromedriver ends a Chromium with which it cannot work
            gateway.driver.answers.clear()

            def answer(method: str, path: str) -> bytes:
                before(method, path)
                gateway.driver.end(1)
                return error

            gateway.driver.answer = answer  # type: ignore[method-assign]
        _, value = await gateway.ask("POST", "/session", NEW)
        assert value["value"]["message"] == "it crashed"
        await until(lambda: gone(gateway))
        assert counted(gateway) == 1


async def test_a_shared_browser_that_crashes_beside_a_launched_one_counts() -> None:
    async with place() as gateway:
        gateway.driver.chromium.bodies = {"/json/version": b"{}"}
        keeps = await gateway.connect()
        await ask(keeps, "POST", "/fyke/launch", launch())
        browser = gateway.gateway._attempts[ATTEMPT].browser
        assert browser is not None
        for number in range(21):
            assert (await gateway.ask("GET", "/json/version"))[0] == 200
            assert counted(gateway) == number
            gateway.host.event(type="ended", instance=0, status=-5)
            await until(lambda: 0 not in browser.host.endpoints)
        status, text = await gateway.ask("GET", "/json/version")
        assert (status, text) == (503, "the attempt has started 20 browsers within a minute")
        keeps.writer.close()
