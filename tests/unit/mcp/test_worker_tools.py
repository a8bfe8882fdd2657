"""What a Worker needs, in a few tokens, and whether an input fits."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from fyke.mcp import worker_tools
from fyke.mcp.session import McpSession
from fyke.mcp.tool import ToolRefused

pytestmark = pytest.mark.anyio
FIELD = {
    "name": "urls",
    "type": "array",
    "title": "",
    "description": "",
    "required": True,
    "minimum": None,
    "maximum": 9,
    "unit": "",
    "has_default": False,
    "default": None,
    "options": [{"value": number} for number in range(30)],
}


class Server:
    """Answers by the last part of the path."""

    def __init__(self, **answers: Any) -> None:
        self.answers: dict[str, Any] = {
            "form": {
                "version": "v1.0.0",
                "description": "Reads pages",
                "broken": False,
                "sections": [{"fields": [FIELD]}],
            },
            "beginning": {"input": {"parameters": {"custom": {"urls": []}}}, "source": "none"},
            "estimate": {"runs": 3, "priced": False, "time": 4.5, "traffic": None, "charge": None},
            "input-schema": {"input_schema": {"broken": True}},
            **answers,
        }
        self.sent: list[tuple[str, dict[str, Any]]] = []

    async def request(self, method: str, path: str, **sent: Any) -> Any:
        name = path.split("?")[0].rsplit("/", 1)[-1]
        self.sent.append((name, sent))
        return msgspec.json.encode(self.answers[name])


def session_of(server: Server) -> McpSession:
    return cast(McpSession, SimpleNamespace(fyke=server))


async def test_a_description_has_no_members_that_say_nothing() -> None:
    answer = await worker_tools.description_of(session_of(Server()), "owner/reader")
    [field] = answer["fields"]
    assert {*field} == {"name", "type", "required", "maximum", "options"}
    assert len(field["options"]) == 20
    assert answer["earlier_runs"] == {"runs": 3, "prices_are_set": False, "seconds": 4.5}
    assert "input_schema" not in answer and "example_note" not in answer


async def test_the_schema_is_shown_only_if_no_form_can_be_made_of_it() -> None:
    server = Server()
    server.answers["form"]["broken"] = True
    answer = await worker_tools.description_of(session_of(server), "owner/reader")
    assert answer["input_schema"] == {"broken": True}


async def test_the_hidden_secrets_of_a_saved_input_are_explained() -> None:
    server = Server()
    server.answers["beginning"]["source"] = "saved"
    answer = await worker_tools.description_of(session_of(server), "owner/reader")
    assert "***" in answer["example_note"]


async def test_an_input_with_parameters_is_refused() -> None:
    server = Server()
    with pytest.raises(ToolRefused, match="own fields"):
        await worker_tools.check_input(
            session_of(server), {"worker": "owner/reader", "input": {"parameters": {}}}
        )
    assert server.sent == []


async def test_many_errors_are_counted_and_unknown_fields_named() -> None:
    errors = [{"field": "urls", "rule": str(number)} for number in range(25)]
    server = Server(normalise={"input": {"parameters": {}}, "errors": errors})
    answer = await worker_tools.check_input(
        session_of(server), {"worker": "owner/reader", "input": {"url": "x"}}
    )
    checked = msgspec.json.decode(answer.parts[0])
    assert (len(checked["errors"]), checked["number_of_errors"]) == (20, 25)
    [sentence] = checked["unknown_fields"]
    assert "url" in sentence and "urls" in sentence


async def test_more_unknown_fields_than_are_shown_are_counted() -> None:
    custom = {f"x{number}": 1 for number in range(worker_tools.SHOWN_UNKNOWN + 2)}
    found = await worker_tools.unknown_fields(session_of(Server()), "owner/reader", custom, "")
    assert found[-1] == "2 more names are not fields of it"
