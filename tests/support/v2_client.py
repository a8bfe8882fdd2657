"""A client of API v2."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import httpx2

from support.booted import TLS, Booted


@dataclass(frozen=True)
class V2Client:
    """A client of v2 that sends the key as a bearer token."""

    platform: Booted

    def answer(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"authorization": f"Bearer {self.platform.key}"}
        content = None if body is None else json.dumps(body).encode()
        return httpx2.request(
            method,
            f"{self.platform.url}/api/v2{path}",
            headers=headers,
            content=content,
            timeout=60,
            verify=TLS,
        )

    def data(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.answer(method, path, body)
        assert (answer.status_code, answer.json()["code"]) == (200, 0), answer.text
        return answer.json()["data"]

    def until(self, run: str, *words: str) -> Any:
        def read_detail() -> Any:
            detail = self.data("GET", f"/worker-runs/{run}")
            return detail if detail["status"] in words else None

        return self.platform.wait_for(read_detail, f"{run} to be {' or '.join(words)}", 60)
