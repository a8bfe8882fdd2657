"""Take one wall away at a time: the probe must notice every one."""

from __future__ import annotations

import shutil
import struct
from collections.abc import AsyncIterator, Callable

import pytest

from fyke.domain.contracts import Isolation
from fyke.sandbox import bubblewrap, seccomp
from fyke.sandbox.cgroups import NoGroups
from fyke.sandbox.sandbox import BubblewrapSandbox
from fyke.sandbox.spawner import DirectSpawner
from integration.sandbox.boxes import ROOT, Site, data_folder

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(ROOT, reason="the walls of a plain user are taken away in its own process"),
    pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed"),
]

Options = list[str]


@pytest.fixture
async def place() -> AsyncIterator[Site]:
    with data_folder() as home:
        spawner = DirectSpawner(home / "work", NoGroups("left out by the test"))
        yield Site(home, BubblewrapSandbox(home / "work", spawner), spawner)
        spawner.close()


def without(*words: str) -> Callable[[Options], Options]:
    """Leave out these neighbouring words."""
    return instead(words, ())


def instead(old: tuple[str, ...], new: tuple[str, ...]) -> Callable[[Options], Options]:
    def change(options: Options) -> Options:
        spots = [at for at in range(len(options)) if tuple(options[at : at + len(old)]) == old]
        assert len(spots) == 1, f"{old} stands {len(spots)} times in the options"
        return [*options[: spots[0]], *new, *options[spots[0] + len(old) :]]

    return change


def seccomp_option(options: Options) -> Options:
    at = options.index("--seccomp")
    return options[:at] + options[at + 2 :]


LAYERS = {
    "network namespace": (without("--unshare-net"), "network"),
    "pid namespace": (without("--unshare-pid"), "proc"),
    "capabilities": (instead(("--cap-drop", "ALL"), ("--cap-add", "ALL")), "capabilities"),
    "user map": (instead(("--uid", "1000"), ("--uid", "77")), "user namespace"),
    "seccomp": (seccomp_option, "seccomp"),
    "cover of process 1": (
        without("--tmpfs", "/proc/1", "--remount-ro", "/proc/1"),
        "process 1",
    ),
    "read-only /dev": (without("--remount-ro", "/dev"), "read-only system"),
    "fresh /proc": (instead(("--proc", "/proc"), ("--tmpfs", "/proc")), "box"),
}


@pytest.mark.parametrize("layer", LAYERS)
async def test_a_missing_wall_is_noticed(
    place: Site, layer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    change, check = LAYERS[layer]
    whole = bubblewrap.arguments
    monkeypatch.setattr(bubblewrap, "arguments", lambda *given: change(whole(*given)))
    report = await place.sandbox.probe()
    assert report.level is Isolation.NONE
    failed = [name for name, passed, _ in report.checks if not passed]
    assert check in failed, report
    assert report.reason


async def test_a_filter_that_denies_nothing_is_noticed(
    place: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    allow = struct.pack("=HBBI", *seccomp.ALLOW)
    monkeypatch.setattr(seccomp, "program", lambda machine=None: allow)
    report = await place.sandbox.probe()
    assert report.level is Isolation.NONE
    assert report.reason.startswith("seccomp: mode 2, a denied call answered")


async def test_missing_limits_are_named(place: Site) -> None:
    report = await place.sandbox.probe()
    assert report.level is Isolation.NO_LIMITS
    assert "left out by the test" in report.reason


async def test_a_missing_program_says_what_to_install(
    place: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bubblewrap, "PROGRAM", "/usr/bin/no-such-bwrap")
    report = await place.sandbox.probe()
    assert report.level is Isolation.NONE
    assert "apt install bubblewrap" in report.reason


async def test_an_old_program_is_named(place: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bubblewrap, "OLDEST", (99, 0, 0))
    report = await place.sandbox.probe()
    assert report.level is Isolation.NONE
    assert "99.0.0 is needed" in report.reason
