"""Asks for a browser in every form that published Workers use; one row for each."""

import base64
import json
import os

from devtools import ADDRESS, KEY, Devtools, connect, read_head, request
from sdk import CoreSDK

NAME, _, SECRET = os.environ["PROXY_AUTH"].partition(":")
HOSTS = ("chrome-ws-inner.coreclaw.com", "chrome-ws-inner.cafescraper.com",
         "chrome-http-inner.coreclaw.com", "lightpanda-inner.coreclaw.com")  # fmt: skip
MISSING = "0" * 32


def basic(user, password):
    return "Authorization: Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def upgraded(path, line="", address=ADDRESS):
    """The status of a WebSocket to a path."""
    with connect(address) as connection:
        connection.sendall(
            f"GET {path} HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n"
            f"{line}{chr(13) + chr(10) if line else ''}\r\n".encode()
        )
        return read_head(connection)[0]


def answer(method, path, body=None):
    """The status, and what a JSON answer says."""
    status, text = request(method, path, body)
    try:
        return status, json.loads(text)
    except ValueError:
        return status, text


def websockets():
    login = basic(NAME, SECRET)
    yield "GET / with Basic", upgraded("/", login)
    for host in HOSTS:
        yield f"GET / at {host}", upgraded("/", login, host)
    yield "GET / without a name", upgraded("/")
    yield "GET / with a wrong password", upgraded("/", basic(NAME, "wrong"))
    yield "GET /ws?apiKey=", upgraded(f"/ws?apiKey={NAME}:{SECRET}")
    yield "GET /ws with a wrong apiKey", upgraded(f"/ws?apiKey={NAME}:wrong")
    yield "GET /?token=", upgraded(f"/?token={NAME}:{SECRET}")
    user, _, address = os.environ["BROWSER_WS"].removeprefix("ws://").partition("@")
    yield "BROWSER_WS", upgraded("/", basic(*user.split(":", 1)), address)
    yield "/devtools/browser/new", upgraded("/devtools/browser/new", login)
    yield "/devtools/browser/ of another one", upgraded(f"/devtools/browser/{MISSING}")
    yield "/devtools/page/ of none", upgraded(f"/devtools/page/{MISSING}")
    yield "another path", upgraded("/other")


def endpoints():
    status, version = answer("GET", "/json/version")
    url = version["webSocketDebuggerUrl"]
    path = url.removeprefix(f"ws://{ADDRESS}")
    yield "GET /json/version", [status, "Chrome/" in version["Browser"], upgraded(path)]
    yield "ChromeHttp", os.environ["ChromeHttp"] == ADDRESS  # noqa: SIM112
    first, second = Devtools(), Devtools(path)
    target = first.ask("Target.createTarget", url="about:blank")["targetId"]
    found = [one["targetId"] for one in second.ask("Target.getTargets")["targetInfos"]]
    yield "two connections have one browser", target in found
    for method in ("GET", "PUT"):
        status, made = answer(method, "/json/new?about:blank")
        yield f"{method} /json/new", status
    for name in ("/json", "/json/list"):
        status, pages = answer("GET", name)
        listed = {page["id"]: page for page in pages}
        yield f"GET {name}", [status, target in listed]
    page = listed[made["id"]]["webSocketDebuggerUrl"].removeprefix(f"ws://{ADDRESS}")
    expected = f"/devtools/page/{made['id']}"
    yield "/devtools/page/ of a page", page == expected and upgraded(page)
    yield "GET /json/activate/", answer("GET", f"/json/activate/{made['id']}")[0]
    yield "GET /json/close/", answer("GET", f"/json/close/{made['id']}")[0]
    status, protocol = answer("GET", "/json/protocol")
    yield "GET /json/protocol", [status, "domains" in protocol]
    solved = first.ask("Captchas.automaticSolver", timeout=1)
    yield "Captchas.automaticSolver", [solved["status"], bool(solved["message"])]
    yield "GET /other", answer("GET", "/other")[0]


def sessions():
    options = {"goog:chromeOptions": {"args": ["--headless=new"]}}
    for prefix, body in (
        ("", {"capabilities": {"alwaysMatch": options}}),
        ("/wd/hub", {"desiredCapabilities": {"browserName": "chrome"} | options}),
    ):
        ready = answer("GET", f"{prefix}/status")[1]["value"]["ready"]
        status, made = answer("POST", f"{prefix}/session", body)
        value = made["value"]
        if status != 200:
            raise RuntimeError(f"{prefix}/session: {value}")
        # older clients get an older form of answer
        number = value.get("sessionId") or made["sessionId"]
        given = value.get("capabilities", value)
        at = f"{prefix}/session/{number}"
        answer("POST", f"{at}/url", {"url": "about:blank#here"})
        status_of_url, url = answer("GET", f"{at}/url")
        ended = answer("DELETE", at)[0]
        yield f"POST {prefix}/session", [
            ready, status, given["browserName"], status_of_url, url["value"], ended,
        ]  # fmt: skip
    yield "Camoufox", answer("POST", "/session", {"headless": True})[0]
    yield "/camoufox", answer("GET", "/camoufox")[0]
    yield "a session of none", answer("GET", f"/session/{MISSING}/url")[0]


for part in (websockets, endpoints, sessions):
    for form, result in part():
        CoreSDK.Result.push_data({"form": form, "answer": result})
