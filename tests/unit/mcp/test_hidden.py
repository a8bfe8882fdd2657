"""Texts without secrets: in parts that one request can have, and in their order."""

from __future__ import annotations

from typing import Any, cast

import msgspec
import pytest

from fyke.mcp import hidden
from fyke.mcp.session import McpSession
from fyke.mcp.tool import ToolRefused
from fyke_client import ApiError


class Server:
    """Hides the letter s."""

    def __init__(self) -> None:
        self.bodies: list[Any] = []

    async def request(self, method: str, path: str, *, body: Any, **_: Any) -> bytes:
        self.bodies.append(body)
        return msgspec.json.encode({"texts": [text.replace("s", "*") for text in body["texts"]]})


async def test_texts_come_back_in_their_order_and_empty_ones_are_not_sent() -> None:
    server = Server()
    session = McpSession(cast(Any, server))
    assert await hidden.hide(session, "r", ["", ""]) == ["", ""]
    assert server.bodies == []
    texts = [("r", "is"), ("r", ""), ("q", "as")]
    assert await hidden.hide_in_all(session, texts) == ["i*", "", "a*"]
    assert server.bodies == [{"runs": ["r", "q"], "texts": ["is", "as"]}]


async def test_many_texts_are_sent_in_parts() -> None:
    server = Server()
    texts = [(f"run{n // 2}", "s" * 40_000) for n in range(5)]
    texts += [(f"run{n}", "s") for n in range(150)]
    texts += [("run", "s")] * 1500
    found = await hidden.hide_in_all(McpSession(cast(Any, server)), texts)
    assert found == ["*" * len(text) for _, text in texts]
    for body in server.bodies:
        assert len(body["texts"]) <= hidden.PART_TEXTS
        assert len(set(body["runs"])) <= hidden.MAX_RUNS
        assert sum(map(len, body["texts"])) <= hidden.PART_CHARS


class Answers:
    """Hides all texts as a whole or fails, and has these answers to other requests."""

    def __init__(self, error: ApiError | None = None, **answers: Any) -> None:
        self.error = error
        self.answers = answers

    async def request(self, method: str, path: str, *, body: Any = None, **_: Any) -> bytes:
        if not path.endswith("/hidden-texts"):
            return msgspec.json.encode(self.answers[path.rsplit("/", 1)[-1]])
        if self.error:
            raise self.error
        return msgspec.json.encode({"texts": ["***"] * len(body["texts"])})


async def test_a_run_whose_secrets_are_not_known_says_so_once() -> None:
    session = McpSession(cast(Any, Answers()))
    texts = [("r", "a"), ("q", ""), ("r", "b"), ("q", "c")]
    found = await hidden.hide_in_all(session, texts)
    assert found == [hidden.WHOLE, "", "***", hidden.WHOLE]


async def test_an_older_server_is_named_but_not_for_a_run_that_is_gone() -> None:
    older = McpSession(cast(Any, Answers(ApiError(404, 1, "unknown path"))))
    with pytest.raises(ToolRefused, match="server is older than this fyke mcp"):
        await hidden.hide(older, "r", ["text"])
    gone = McpSession(cast(Any, Answers(ApiError(404, 1, "no run", key="run_not_found"))))
    with pytest.raises(ToolRefused, match="no run"):
        await hidden.hide(gone, "r", ["text"])


async def test_texts_at_any_depth_of_a_summary_are_hidden() -> None:
    params = {"sites": ["is", {"of": ["as", 1]}], "code": 3}
    run = {"slug": "r", "reason": "", "reason_params": params, "errors": []}
    run["hint"] = {"cause": "this", "next_step": "", "params": {"names": ["us"]}}
    server = Server()

    async def request(method: str, path: str, **sent: Any) -> bytes:
        return await hide_in(method, path, **sent) if method == "POST" else msgspec.json.encode(run)

    hide_in, server.request = server.request, request  # type: ignore[method-assign]
    found = await hidden.summary(McpSession(cast(Any, server)), "r")
    assert found["reason_params"] == {"sites": ["i*", {"of": ["a*", 1]}], "code": 3}
    assert found["hint"] == {"cause": "thi*", "next_step": "", "params": {"names": ["u*"]}}


async def test_a_log_has_no_link_to_the_log_as_it_is() -> None:
    log = {"list": [{"content": "is"}], "all_logs_url": "http://fyke/files/t/run.log"}
    data = msgspec.Raw(msgspec.json.encode(log))
    shown = await hidden.log_of_v2(McpSession(cast(Any, Server())), "r", data)
    assert msgspec.json.decode(shown) == {"list": [{"content": "i*"}], "all_logs_url": ""}


@pytest.mark.parametrize(
    ("client", "message"), [(Server(), "i*"), (Answers(ApiError(500, 1, "no")), "***")]
)
async def test_the_id_of_a_started_run_is_never_lost(client: Any, message: str) -> None:
    session = McpSession(client)
    started = {"run_slug": "r", "error_message": "is", "results": {"list": [2**70]}}
    shown = await hidden.started_of_v2(session, msgspec.Raw(msgspec.json.encode(started)))
    assert msgspec.json.decode(shown) == started | {"error_message": message}
    for data in (b'{"run_slug": "r"}', b'{"run_slug": "r", "error_message": ""}'):
        assert bytes(await hidden.started_of_v2(session, msgspec.Raw(data))) == data


def test_names_that_stand_for_secrets_are_not_text() -> None:
    assert hidden.outside_marks("a ***api_key*** b *** c") == "a \n b \n c"
    assert hidden.outside_marks(hidden.WHOLE) == ""
