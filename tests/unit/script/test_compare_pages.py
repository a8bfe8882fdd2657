"""``script/compare-pages``: report, exit status, and a process that does the same each time."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
LIB = ROOT / "script" / "lib" / "pictures"
sys.path.insert(0, str(LIB))

import compare_pages  # noqa: E402
from compare_pages import PictureResult  # noqa: E402
from difference_report import percent, report  # noqa: E402
from picture_difference import PictureDifference  # noqa: E402

SMALL = PictureResult(
    "/a, light 375 en", "b/1.png", "a/1.png", "m/1.png", PictureDifference(1e-6, (1, 2, 3, 4), b"")
)
LARGE = PictureResult(
    "/b, dark 1280 en", "b/2.png", "a/2.png", "m/2.png", PictureDifference(0.5, (0, 0, 9, 9), b"")
)
FAILED = PictureResult("/c, light 375 en", faults=("<x>: the answer is 500",))
SAME = PictureResult("/d, light 375 en")

PRINT_WORLD = """
import sys
sys.path.append(sys.argv[1])
from fixed_world import FixedTime, fix_randomness
clock = FixedTime()
clock.install()
fix_randomness()
import asyncio, secrets, time, uuid
from fyke.kit.clock import SystemClock
from fyke.kit.ids import new_ulid, new_unordered_ulid
class Sample:
    async def publish(self):
        return SystemClock().now_ms()
clock.advance_before(Sample, ["publish"], 400)
print(new_ulid(), new_unordered_ulid(), uuid.uuid4(), secrets.token_hex(8), time.time())
print(asyncio.run(Sample().publish()), asyncio.run(Sample().publish()))
"""


def test_what_differs_most_comes_first_and_nothing_is_left_out() -> None:
    text = report("v1", "v2", [SAME, SMALL, FAILED, LARGE])
    places = [text.index(result.name) for result in (FAILED, LARGE, SMALL, SAME)]
    assert places == sorted(places)
    assert "2 of 4 pictures differ, 1 could not be taken" in text
    assert "&lt;x&gt;: the answer is 500" in text
    assert text.count("<img") == 6
    assert percent(1e-6) == "under 0.01%"
    assert percent(0.5) == "50.00%"


@pytest.mark.parametrize(
    ("results", "status"),
    [([SAME], 0), ([SAME, SMALL], 1), ([SAME, FAILED], 2), ([SMALL, FAILED], 2)],
)
def test_the_exit_status_says_what_was_found(
    results: list[PictureResult], status: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare_pages.summarize(results, tmp_path) == status
    printed = capsys.readouterr().out
    for result in results:
        assert (result.name in printed) == (result is not SAME)


def test_a_page_that_one_commit_cannot_show_is_a_fault_of_it(tmp_path: Path) -> None:
    order = {"pages": ["/a"], "views": [["light", "375", "en"]]}
    key = ("/a", "light 375 en")
    [result] = compare_pages.results_of(
        None, tmp_path, ("v1", "v2"), order, {key: {"file": "1.png"}}, {key: {"fault": "it is 404"}}
    )
    assert result == PictureResult("/a, light 375 en", faults=("v2: it is 404",))


def test_a_commit_that_does_not_start_is_a_fault_of_each_picture(tmp_path: Path) -> None:
    order = {"port": 1, "pages": ["/a", "/b"], "views": [["light", "375", "en"]]}
    (tmp_path / "tests" / "support").mkdir(parents=True)
    entries = compare_pages.take(tmp_path, tmp_path, order)
    assert set(entries) == {("/a", "light 375 en"), ("/b", "light 375 en")}
    assert "no page could be served (status 1)" in entries["/a", "light 375 en"]["fault"]


def test_two_processes_have_the_same_ids_and_times() -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "-c", PRINT_WORLD, str(LIB)]
    first, second = (
        subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    )
    assert first == second
    before, after = map(int, first.split()[-2:])
    assert after - before == 400
