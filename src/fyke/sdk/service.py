"""What a Worker may ask of the platform: its input, its rows, its log.

Who speaks is known from the socket; nothing in a message says so. The service answers under both
package names that SDKs use. Code 0 means stored; another code is a refusal whose message names
the limit. Only messages that are no messages, and methods that do not exist, fail as calls.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from fyke.domain.results.intake import AttemptIntake
from fyke.domain.results.rows import RowRefused
from fyke.errors import FykeError, StaleLease
from fyke.errors import Unavailable as StoreUnavailable
from fyke.model.log import LogType
from fyke.model.results import Header
from fyke.sdk import messages
from fyke.sdk.messages import MalformedMessage
from fyke.sdk.status import InvalidArgument, ServiceUnavailable, Unimplemented

PACKAGES = ("coresdk", "cafesdk")
REFUSED = 1
HEADERS_AT_ONCE = 50

_SUCCESS = messages.write_response(0, "success")

Method = Callable[[bytes], Awaitable[bytes]]


class SdkService:
    """The service of one attempt; ``handle`` is what ``serve`` wants."""

    def __init__(self, attempt: AttemptIntake, input_json: bytes) -> None:
        self._attempt = attempt
        self._input = messages.write_input(input_json or b"{}")
        self._one_table = asyncio.Lock()
        methods: dict[str, Method] = {
            "Parameter/GetInputJSONString": self._get_input,
            "Result/SetTableHeader": self._set_table_header,
            "Result/PushData": self._push_data,
        }
        for level in LogType:
            methods[f"Log/{level.name.capitalize()}"] = self._log_method(level)
        self._methods = {
            f"/{package}.{name}": method for package in PACKAGES for name, method in methods.items()
        }

    async def handle(self, path: str, message: bytes) -> bytes:
        """Answer one call. Raises ``RpcError``."""
        method = self._methods.get(path)
        if method is None:
            raise Unimplemented(f"There is no method {path[:200]}.")
        self._attempt.note_call()
        try:
            return await method(message)
        except MalformedMessage as error:
            raise InvalidArgument(f"The message cannot be read: {error}.") from None
        except (RowRefused, StaleLease) as error:
            return messages.write_response(REFUSED, error.message)
        except StoreUnavailable as error:
            raise ServiceUnavailable(error.message) from None
        except FykeError as error:
            return messages.write_response(REFUSED, error.message)

    async def _get_input(self, message: bytes) -> bytes:
        return self._input

    async def _set_table_header(self, message: bytes) -> bytes:
        async with self._one_table:
            headers = await _read_slowly(message)
        await self._attempt.set_headers(headers)
        return _SUCCESS

    async def _push_data(self, message: bytes) -> bytes:
        await self._attempt.push(messages.read_text(message))
        return _SUCCESS

    def _log_method(self, type: LogType) -> Method:
        async def log(message: bytes) -> bytes:
            text = messages.read_text(message).decode(errors="replace")
            self._attempt.log(type, text)
            await self._attempt.wait_for_log_space()
            return _SUCCESS

        return log


async def _read_slowly(message: bytes) -> list[Header]:
    """Read a table's headers in slices, and let others have four times as long in between."""
    headers: list[Header] = []
    began = time.perf_counter()
    for header in messages.read_headers(message):
        headers.append(header)
        if not len(headers) % HEADERS_AT_ONCE:
            await asyncio.sleep(4 * (time.perf_counter() - began))
            began = time.perf_counter()
    return headers
