"""``fyke key``, with scripted answers."""

from __future__ import annotations

from typing import Any

import pytest

from fyke.cli.errors import CommandFailed, Exit
from fyke.cli.key import revoke
from fyke_client import ApiError
from support.scripted import ScriptedServer


def test_a_key_that_does_not_exist_is_named() -> None:
    server: Any = ScriptedServer(revoke_key=ApiError(404, 4040, "Resource not found"))
    with pytest.raises(CommandFailed, match='no valid key nope; "fyke key list" lists') as missing:
        revoke(server, "nope", "")
    assert missing.value.code is Exit.NOT_FOUND
