"""Servers that accept and refuse messages by the documented rules of the four services of chats.

A path ends with what the service is to do: ``gone``, ``busy``, or anything else to take messages.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

BUSY_SECONDS = 37
_CARD = "application/vnd.microsoft.card.adaptive"
_MAX_CARD = 28 * 1024  # bytes of a message to a workflow
TOKEN = "123456:" + "Ab-_" * 8


@dataclass(frozen=True)
class Answer:
    status: int
    text: str = ""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class ChatServices:
    """The messages that were taken, with the service, in order."""

    port: int = 0
    taken: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def url(self, service: str, act: str = "ok") -> str:
        """The address of a chat, in the form of its service."""
        base = f"http://127.0.0.1:{self.port}/{service}/{act}"
        if service == "telegram":
            bot = f"/bot{TOKEN}/sendMessage?chat_id={'-100' if act == 'ok' else act}"
            return f"http://127.0.0.1:{self.port}{bot}"
        return base

    def answer(self, path: str, body: dict[str, Any], size: int) -> Answer:
        service, _, act = path.strip("/").partition("/")
        if service.startswith("bot"):
            service, act = "telegram", str(body.get("chat_id", ""))
        found: Answer = getattr(self, f"_{service}")(act, body, size)
        if found.status < 300:
            self.taken.append((service, body))
        return found

    def _slack(self, act: str, body: dict[str, Any], size: int) -> Answer:
        if act == "gone":
            return Answer(404, "no_service")
        if act == "busy":
            return Answer(429, "rate_limited", {"Retry-After": str(BUSY_SECONDS)})
        if not isinstance(body.get("text"), str) or not 1 <= len(body["text"]) <= 40_000:
            return Answer(400, "invalid_payload")
        return Answer(200, "ok")

    def _teams(self, act: str, body: dict[str, Any], size: int) -> Answer:
        if act == "gone":
            return Answer(404, '{"error":{"code":"WorkflowNotFound"}}')
        if act == "busy":
            return Answer(429, "", {"Retry-After": str(BUSY_SECONDS)})
        cards = [item for item in body.get("attachments", []) if item.get("contentType") == _CARD]
        if body.get("type") != "message" or not cards or size > _MAX_CARD:
            return Answer(400, '{"error":{"code":"TriggerInputSchemaMismatch"}}')
        return Answer(202)

    def _discord(self, act: str, body: dict[str, Any], size: int) -> Answer:
        if act == "gone":
            return Answer(404, '{"message": "Unknown Webhook", "code": 10015}')
        if act == "busy":
            text = json.dumps({"message": "You are being rate limited.", "retry_after": 36.5})
            return Answer(429, text, {"Retry-After": str(BUSY_SECONDS)})
        embeds = body.get("embeds", [])
        within = all(
            len(item["title"]) <= 256 and len(item["description"]) <= 4096 for item in embeds
        )
        if not embeds or not within or "allowed_mentions" not in body:
            return Answer(400, '{"message": "Invalid Form Body", "code": 50035}')
        return Answer(204)

    def _telegram(self, act: str, body: dict[str, Any], size: int) -> Answer:
        if act == "gone" or act == "0":
            return _refused(400, "Bad Request: chat not found")
        if act == "429":
            more = {"parameters": {"retry_after": BUSY_SECONDS}}
            return _refused(429, f"Too Many Requests: retry after {BUSY_SECONDS}", more)
        if not 1 <= len(body.get("text", "").encode("utf-16-le")) // 2 <= 4096:
            return _refused(400, "Bad Request: message is too long")
        return Answer(200, '{"ok":true,"result":{"message_id":1}}')


def _refused(status: int, text: str, more: dict[str, Any] | None = None) -> Answer:
    body = {"ok": False, "error_code": status, "description": text, **(more or {})}
    return Answer(status, json.dumps(body))


@contextmanager
def chat_services() -> Iterator[ChatServices]:
    """Serve the four services on one loopback port."""
    services = ChatServices()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            answer = services.answer(self.path, json.loads(body), len(body))
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(answer.text.encode())))
            self.end_headers()
            self.wfile.write(answer.text.encode())

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    services.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield services
    finally:
        server.shutdown()
        server.server_close()
