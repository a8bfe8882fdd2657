"""A platform with incomplete isolation runs nothing unless its operator allows it. All other tests
here have the level *full*; ``test_plain_user.py`` has *no-limits*.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from fyke.reasons import HintCode, ReasonCode
from support.booted import Booted, booted
from support.mounts import in_a_thread, new_mounts
from support.projects import zoo
from support.reasons import reaches

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can take a layer out of the program"),
    pytest.mark.needs("bwrap"),
]

SUCCEEDED = 3
PROGRAM = "/usr/bin/bwrap"
LAYER = ("--unshare-ipc", "ipc namespace")
# replaces bubblewrap and passes on all options but one
LEAKY = """#!/usr/bin/python3 -I
import os, sys
words = sys.argv[1:]
if words[:1] == ["--args"]:
    with open(int(words[1]), "rb", closefd=False) as given:
        options = [each for each in given.read().split(b"\\0") if each != LAYER]
    fewer = os.memfd_create("fewer", 0)
    os.write(fewer, b"\\0".join(options))
    os.lseek(fewer, 0, os.SEEK_SET)
    words[1] = str(fewer)
os.execve(REAL, [PROGRAM, *words], {})
"""


@contextmanager
def leaky(**settings: str) -> Iterator[Booted]:
    """A platform whose bubblewrap omits one layer. Only its processes see that program."""
    with tempfile.TemporaryDirectory(prefix="fyke-leaky-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        shutil.copy(PROGRAM, folder / "real")
        script = folder / "bwrap"
        text = LEAKY.replace("LAYER", repr(LAYER[0].encode()))
        text = text.replace("REAL", repr(str(folder / "real"))).replace("PROGRAM", repr(PROGRAM))
        script.write_text(text)
        script.chmod(0o755)
        with _started_over(script, settings) as platform:
            yield platform


@contextmanager
def _started_over(script: Path, settings: dict[str, str]) -> Iterator[Booted]:
    made: list[Booted] = []
    with ExitStack() as opened:

        def start() -> None:
            new_mounts()
            subprocess.run(["mount", "--bind", str(script), PROGRAM], check=True)
            made.append(opened.enter_context(booted(**settings)))

        in_a_thread(start)
        yield made[0]


def runner_of(platform: Booted) -> dict[str, str]:
    found: dict[str, str]
    [found] = platform.read("/api/fyke/runners")["list"]
    return found


@reaches(ReasonCode.ISOLATION_MISSING, HintCode.ISOLATION_REFUSED)
def test_no_worker_runs_where_isolation_is_incomplete() -> None:
    with leaky() as platform:
        runner = runner_of(platform)
        assert runner["isolation"] == "none"
        assert runner["reason"].startswith(LAYER[1])
        slug = platform.push(zoo("upserts"), "layers-upserts")
        body = {"scraper_slug": slug, "input": {"parameters": {"system": {}, "custom": {}}}}
        answer = platform.raw("/api/v1/scraper/run", body).json()
        assert answer["code"] == 50002
        refused = f"at level none, because the isolation check '{LAYER[1]}' failed: "
        assert refused in answer["message"]
        assert platform.call("/api/v1/run/list")["count"] == 0
        run = platform.start_over_isolation(slug)
        platform.wait_for(
            lambda: platform.waits(run)["code"] == "isolation_missing", "the reason of the wait", 20
        )
        platform.call("/api/v1/scraper/abort", {"run_slug": run})
        # releases before runs waited for isolation ended them so
        platform.change_state(
            "UPDATE runs SET state = 'failed', outcome = 'isolation_refused',"
            " reason_code = 'isolation_missing', reason_params = '{\"level\": \"none\"}'"
        )
        assert platform.summary(run)["outcome"] == "isolation_refused"


@pytest.mark.long
def test_the_operator_may_run_workers_with_a_warning() -> None:
    with leaky(unsafe="1") as platform:
        assert runner_of(platform)["isolation"] == "none"
        run = platform.start_run(platform.push(zoo("upserts"), "layers-upserts"))
        detail = platform.ended(run)
        assert (detail["status"], detail["results"]) == (SUCCEEDED, 2)
        assert (
            f"FYKE_UNSAFE is set and the isolation is incomplete: {LAYER[1]}"
            in platform.log_text(run)
        )


def test_the_bubblewrap_of_this_machine_is_unchanged() -> None:
    """The replacements of the other tests were visible to their own platforms only."""
    with Path(PROGRAM).open("rb") as program:
        assert program.read(4) == b"\x7fELF"
