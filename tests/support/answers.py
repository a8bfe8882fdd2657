"""Checks an answer strictly against the shape that the API declares for it."""

from __future__ import annotations

from typing import Any

import msgspec

from fyke.api.envelope import V2_PREFIX


def reads_as(shape: Any, answer: Any) -> Any:
    """Return ``data`` of ``answer`` as ``shape``, whose encoding it must equal byte for byte."""
    assert answer.status_code == 200, answer.text
    is_v2 = answer.request.url.path.startswith(V2_PREFIX)
    names = ["code", "message", *(["request_id"] if is_v2 else []), "data"]
    members = msgspec.json.decode(answer.content, type=dict[str, msgspec.Raw])
    assert list(members) == names
    data = msgspec.json.decode(members["data"], type=shape, strict=True)
    assert msgspec.json.encode(data) == bytes(members["data"])
    return data


def data_as(shape: Any, answer: Any) -> Any:
    """Check ``data`` as ``reads_as`` does; return it as plain JSON."""
    reads_as(shape, answer)
    return answer.json()["data"]
