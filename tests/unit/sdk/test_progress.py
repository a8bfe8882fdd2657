"""What a Worker reports of its progress: numbers, one line of text, and no secrets."""

from __future__ import annotations

import pytest

import support.sdk_server  # noqa: F401 - puts the SDK's folder on the path
from fyke.domain.secrets.masking import Masker
from fyke.errors import InvalidRequest
from fyke.model.progress import MAX_PROGRESS, MAX_PROGRESS_TEXT, WorkerProgress
from fyke.sdk.progress import MAX_READ, checked_progress
from fyke.sdk.service import SdkService
from support.blocking_results import BlockableResults, running

import sdk_pb2  # isort: skip

SECRET = "canary-p@ss"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("page 3 of 40", "page 3 of 40"),
        ("  two\n lines\t here\r\n", "two lines here"),
        ("\x1b[31mred\x1b[0m \x00\u202ebidi", "red bidi"),
        ("<script>", "<script>"),
        ("é" * MAX_PROGRESS_TEXT, "é" * MAX_PROGRESS_TEXT),
        ("é" * (MAX_PROGRESS_TEXT + 1), "é" * (MAX_PROGRESS_TEXT - 1) + "…"),
        ("x" * 1_000_000, "x" * (MAX_PROGRESS_TEXT - 1) + "…"),
    ],
    ids=str,
)
def test_the_text_is_one_line_of_limited_length(text: str, line: str) -> None:
    assert checked_progress(1, 2, text, str) == WorkerProgress(1, 2, line)


@pytest.mark.parametrize(
    ("done", "total", "name"),
    [(-1, 5, "done"), (1, -5, "total"), (MAX_PROGRESS + 1, 0, "done"), (0, 2**63 - 1, "total")],
)
def test_numbers_out_of_range_are_refused(done: int, total: int, name: str) -> None:
    with pytest.raises(InvalidRequest, match=f"{name} is .*whole number from 0 to"):
        checked_progress(done, total, "", str)


@pytest.mark.parametrize("before", [0, MAX_PROGRESS_TEXT - 5, MAX_PROGRESS_TEXT])
def test_a_secret_is_masked_before_the_text_is_cut(before: int) -> None:
    masker = Masker({"LOGIN": SECRET})
    found = checked_progress(0, 0, "x" * before + SECRET, masker.text)
    assert "canar" not in found.text
    assert found.text.startswith("x" * min(before, MAX_PROGRESS_TEXT - 1) or "***LOGIN***")


@pytest.mark.parametrize("shown", [1, 5, len(SECRET) - 1, len(SECRET)])
@pytest.mark.parametrize("more", ["", " and more"])
def test_no_part_of_a_secret_is_left_where_the_text_is_no_longer_read(
    shown: int, more: str
) -> None:
    masker = Masker({"LOGIN": SECRET})
    for read in (MAX_READ, MAX_READ + masker.longest):
        text = " " * (read - shown) + SECRET + more
        found = checked_progress(0, 0, text, masker.text, masker.longest)
        assert found.text.removesuffix(more) in ("", "***LOGIN***")


@pytest.mark.anyio
async def test_the_last_report_counts_until_the_attempt_is_closed() -> None:
    async with running(BlockableResults()) as taking:
        attempt = await taking.open("run", "a", "7")
        service = SdkService(attempt, b"{}")

        async def report(done: int, text: str) -> sdk_pb2.Response:
            sent = sdk_pb2.ProgressBody(done=done, total=10, text=text).SerializeToString()
            answer = await service.handle("/coresdk.Progress/Set", sent)
            return sdk_pb2.Response.FromString(answer)

        assert attempt.progress is None
        attempt.masker = Masker({"LOGIN": SECRET})
        assert (await report(1, "first")).code == 0
        assert (await report(2, f"as {SECRET}")).code == 0
        refused = await report(-1, "refused")
        assert refused.code == 1 and "done is -1" in refused.message
        assert attempt.progress == WorkerProgress(2, 10, "as ***LOGIN***")
        assert (await report(3, " " * (MAX_READ - 5) + SECRET)).code == 0
        assert attempt.progress == WorkerProgress(3, 10, "***LOGIN***")
        await attempt.close()
        late = await report(3, "late")
        assert late.code == 1 and "has ended" in late.message
