"""Paths, codes and errors of the service; integration tests call it with real clients."""

from __future__ import annotations

import pytest

from fyke.errors import Conflict, Unavailable
from fyke.sdk import messages, status
from fyke.sdk.service import SdkService
from support.blocking_results import BlockableResults, running

pytestmark = pytest.mark.anyio

SUCCESS = messages.write_response(0, "success")


@pytest.mark.parametrize("package", ["coresdk", "cafesdk"])
async def test_both_packages_have_all_methods(package: str) -> None:
    async with running(BlockableResults()) as intake:
        service = SdkService(await intake.open("r", "a", ""), b"")
        assert (
            await service.handle(f"/{package}.Parameter/GetInputJSONString", b"") == b"\x12\x02{}"
        )
        for name in ("Log/Debug", "Log/Info", "Log/Warn", "Log/Error", "Result/PushData"):
            assert await service.handle(f"/{package}.{name}", b"\x0a\x01x") == SUCCESS
        header = b"\x0a\x06\x0a\x01l\x12\x01k"
        assert await service.handle(f"/{package}.Result/SetTableHeader", header) == SUCCESS
        assert await service.handle(f"/{package}.Progress/Set", b"\x08\x01") == SUCCESS
        with pytest.raises(status.Unimplemented, match="no method"):
            await service.handle(f"/{package}.Result/pushdata", b"")


async def test_invalid_utf_8_in_a_log_line_is_replaced() -> None:
    results = BlockableResults()
    async with running(results) as intake:
        attempt = await intake.open("r", "a", "")
        await SdkService(attempt, b"").handle("/coresdk.Log/Info", b"\x0a\x03a\xffb")
        await attempt.flush()
        assert results.lines == ["a\ufffdb"]


async def test_a_refused_row_is_answered_with_a_code_and_the_limit() -> None:
    async with running(BlockableResults()) as intake:
        service = SdkService(await intake.open("r", "a", ""), b"")
        deep = b"[" * 70 + b"]" * 70
        reply = await service.handle("/coresdk.Result/PushData", b"\x0a" + bytes([140, 1]) + deep)
        assert reply[:2] == b"\x08\x01"
        assert b"64 levels" in reply


@pytest.mark.parametrize(
    ("error", "raised"), [(Unavailable("full"), status.ServiceUnavailable), (Conflict("no"), None)]
)
async def test_errors_of_the_store_are_answers_or_failed_calls(
    error: Exception, raised: type[Exception] | None
) -> None:
    results = BlockableResults()
    async with running(results) as intake:
        attempt = await intake.open("r", "a", "")

        async def push(text: bytes) -> None:
            raise error

        attempt.push = push  # type: ignore[method-assign]
        service = SdkService(attempt, b"")
        if raised is None:
            reply = await service.handle("/coresdk.Result/PushData", b"")
            assert reply == messages.write_response(1, "no")
        else:
            with pytest.raises(raised, match="full"):
                await service.handle("/coresdk.Result/PushData", b"")
