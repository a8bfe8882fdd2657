"""The methods of the SDK service: input, rows, log.

The socket identifies the attempt; messages do not. The service answers under both package names
that SDKs use. Code 0 means stored; another code is a refusal whose message names the limit. Only
malformed messages, unknown methods and an unavailable store fail as calls.
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
from fyke.sdk.progress import checked_progress
from fyke.sdk.status import InvalidArgument, ServiceUnavailable, Unimplemented

PACKAGES = ("coresdk", "cafesdk")
REFUSED = 1
HEADERS_IN_SLICE = 50

_SUCCESS = messages.write_response(0, "success")

Method = Callable[[bytes], Awaitable[bytes]]


class SdkService:
    """The service of one attempt; ``handle`` is the handler for ``serve``."""

    def __init__(self, attempt: AttemptIntake, input_json: bytes) -> None:
        self._attempt = attempt
        self._input = messages.write_input(input_json or b"{}")
        self._table_lock = asyncio.Lock()
        methods: dict[str, Method] = {
            "Parameter/GetInputJSONString": self._get_input,
            "Result/SetTableHeader": self._set_table_header,
            "Result/PushData": self._push_data,
            "Progress/Set": self._set_progress,  # Fyke's own
        }
        for level in LogType:
            methods[f"Log/{level.name.capitalize()}"] = self._log_method(level)
        self._methods = {
            f"/{package}.{name}": method for package in PACKAGES for name, method in methods.items()
        }

    async def handle(self, path: str, message: bytes) -> bytes:
        """Answer one call. Raise ``RpcError``."""
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
        async with self._table_lock:
            headers = await _read_in_slices(message)
        await self._attempt.set_headers(headers)
        return _SUCCESS

    async def _push_data(self, message: bytes) -> bytes:
        await self._attempt.push(messages.read_text(message))
        return _SUCCESS

    async def _set_progress(self, message: bytes) -> bytes:
        done, total, text = messages.read_progress(message)
        masker = self._attempt.masker
        longest = 0 if masker is None else masker.longest
        progress = checked_progress(done, total, text, self._attempt.mask, longest)
        self._attempt.set_progress(progress)
        return _SUCCESS

    def _log_method(self, type: LogType) -> Method:
        async def log(message: bytes) -> bytes:
            text = messages.read_text(message).decode(errors="replace")
            self._attempt.log(type, text)
            await self._attempt.wait_for_log_space()
            return _SUCCESS

        return log


async def _read_in_slices(message: bytes) -> list[Header]:
    """Read a table's headers in slices, with four times as long for others in between."""
    headers: list[Header] = []
    started = time.perf_counter()
    for header in messages.read_headers(message):
        headers.append(header)
        if not len(headers) % HEADERS_IN_SLICE:
            await asyncio.sleep(4 * (time.perf_counter() - started))
            started = time.perf_counter()
    return headers
