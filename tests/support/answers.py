"""Reading an answer strictly as the shape that the API declares for it."""

from __future__ import annotations

from typing import Any

import msgspec

from fyke.api.envelope import V2_PREFIX


def reads_as(shape: Any, answer: Any) -> Any:
    """``data`` of ``answer`` as ``shape``: not a member more or less, in this order, byte for byte.

    Returns the data, for further looks.
    """
    assert answer.status_code == 200, answer.text
    second = answer.request.url.path.startswith(V2_PREFIX)
    names = ["code", "message", *(["request_id"] if second else []), "data"]
    parts = msgspec.json.decode(answer.content, type=dict[str, msgspec.Raw])
    assert list(parts) == names
    data = msgspec.json.decode(parts["data"], type=shape, strict=True)
    assert msgspec.json.encode(data) == bytes(parts["data"])
    return data


def data_as(shape: Any, answer: Any) -> Any:
    """The same as plain JSON."""
    reads_as(shape, answer)
    return answer.json()["data"]
