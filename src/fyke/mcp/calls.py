"""Requests of tools to the REST API. Errors become sentences for the model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import msgspec

from fyke.mcp.session import McpSession
from fyke.mcp.tool import ToolRefused
from fyke_client import ApiError, ClientError

SYNC_SECONDS = 300.0  # how long the server waits for the end of a run that is not asynchronous


@contextmanager
def refusals() -> Iterator[None]:
    """Raise ``ToolRefused`` for errors of the client."""
    try:
        yield
    except ApiError as error:
        raise ToolRefused(sentence_of(error)) from error
    except ClientError as error:
        raise ToolRefused(str(error)) from error


def sentence_of(error: ApiError) -> str:
    """Code and message of an error answer, details that the message does not have, and its request
    id for the server's log.
    """
    details = [detail for detail in error.details if detail not in error.message]
    parts = [f"[{error.code}] {error.message}", *details]
    if error.retry_after:
        parts.append(f"try again in {error.retry_after} s")
    if error.request_id:
        parts.append(f"(request {error.request_id})")
    return "; ".join(parts[:-1]) + f" {parts[-1]}" if error.request_id else "; ".join(parts)


def plain_id(text: str) -> str:
    """``text`` without spaces around it. Raises ``ToolRefused`` if a path with it would be
    another one.
    """
    text = text.strip()
    if not text.strip("."):
        raise ToolRefused(f'"{text}" is not an id')
    return text


def segment(text: str) -> str:
    """An id as one segment of a path, ``owner/name`` as ``owner~name``. Raises ``ToolRefused``."""
    return quote(plain_id(text).replace("/", "~"), safe="")


async def call(
    session: McpSession,
    method: str,
    path: str,
    *,
    query: Mapping[str, Any] | None = None,
    body: Mapping[str, Any] | None = None,
    extra_seconds: float = 0,
    idempotency_key: str = "",
) -> msgspec.Raw:
    """``data`` of the answer as it was sent. Raises ``ToolRefused``."""
    texts = {name: _text(value) for name, value in (query or {}).items()}
    with refusals():
        data: msgspec.Raw = await session.fyke.request(
            method,
            path,
            query=texts,
            body=body,
            extra_seconds=extra_seconds,
            idempotency_key=idempotency_key,
            answer_type=msgspec.Raw,
        )
    return data


async def read(session: McpSession, path: str, **query: Any) -> Any:
    """``data`` of a GET, decoded."""
    return msgspec.json.decode(await call(session, "GET", path, query=query))


def _text(value: object) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"
    return [str(item) for item in value] if isinstance(value, list) else value
