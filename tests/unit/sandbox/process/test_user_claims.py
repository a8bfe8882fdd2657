"""Ranges of users that launchers claim: free, taken, left behind."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from fyke.sandbox.process import user_claims
from fyke.sandbox.process.user_claims import NoFreeUsers, UserClaim, active_claims, claim_users


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(user_claims, "SUBORDINATE", tmp_path / "subuid")
    (tmp_path / "map").write_text("         0          0 4294967295\n")
    monkeypatch.setattr(user_claims, "UID_MAP", tmp_path / "map")
    return tmp_path / "claims"


@pytest.fixture
def closing() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def claim(folder: Path, closing: ExitStack, first: int, count: int, home: str = "/a") -> UserClaim:
    made = claim_users(first, count, Path(home), folder=folder)
    closing.callback(made.close)
    return made


def test_each_claim_gets_the_next_free_range(folder: Path, closing: ExitStack) -> None:
    claims = [claim(folder, closing, 30_000, 4096, f"/{home}") for home in "abc"]
    assert [item.users for item in claims] == [
        range(30_000, 34_096),
        range(34_096, 38_192),
        range(38_192, 42_288),
    ]
    assert [(active_claim.users, active_claim.home) for active_claim in active_claims(folder)] == [
        (item.users, f"/{home}") for item, home in zip(claims, "abc", strict=True)
    ]


@pytest.mark.parametrize("moment", ["opened", "locked"])
def test_a_claim_that_ends_during_a_look_is_passed_over(
    folder: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    ending = claim_users(30_000, 64, Path("/a"), folder=folder)
    module, name = (os, "open") if moment == "opened" else (fcntl, "flock")
    real = getattr(module, name)

    def late(target: object, flags: int, *more: int) -> object:
        its_turn = str(target).endswith("30063") if moment == "opened" else flags & fcntl.LOCK_NB
        if its_turn:
            ending.close()
        return real(target, flags, *more)

    monkeypatch.setattr(module, name, late)
    assert active_claims(folder) == []


@pytest.mark.parametrize("first", [29_999, 30_000, 30_063])
def test_ranges_that_overlap_in_part_are_not_shared(
    folder: Path, closing: ExitStack, first: int
) -> None:
    one = claim(folder, closing, 30_000, 64)
    claim(folder, closing, 40_000, 64, "/elsewhere")
    other = claim(folder, closing, first, 2)
    assert set(one.users).isdisjoint(other.users)
    assert other.users == range(30_064, 30_066)
    assert ([claim.home for claim in other.others], one.others) == (["/a"], [])


def test_a_configured_range_is_used_wherever_it_lies(folder: Path, closing: ExitStack) -> None:
    Path(user_claims.SUBORDINATE).write_text("me:200000:65536\n")
    assert claim(folder, closing, 64_000, 100).users == range(64_000, 64_100)
    assert claim(folder, closing, 200_000, 10).users == range(200_000, 200_010)
    with pytest.raises(NoFreeUsers):  # the next ones belong to containers
        claim(folder, closing, 200_000, 10)


def test_users_of_the_system_and_of_containers_are_left_out(
    folder: Path, closing: ExitStack
) -> None:
    Path(user_claims.SUBORDINATE).write_text("me:65536:100\nbroken\n")
    claim(folder, closing, 59_000, 500)
    assert claim(folder, closing, 59_000, 1000).users == range(65_636, 66_636)
    taken = claim_users(65_636, 10, Path("/c"), taken=[66_636], folder=folder)
    closing.callback(taken.close)
    assert taken.users == range(66_637, 66_647)


def test_users_outside_of_a_user_namespace_are_not_chosen(folder: Path, closing: ExitStack) -> None:
    user_claims.UID_MAP.write_text("0 100000 65536\n")
    claim(folder, closing, 59_000, 900)
    with pytest.raises(NoFreeUsers):
        claim(folder, closing, 59_000, 900)


def test_without_a_free_range_the_error_names_the_owners_and_the_remedy(
    folder: Path, closing: ExitStack
) -> None:
    claim(folder, closing, 1000, 98_999, "/srv/one")
    with pytest.raises(NoFreeUsers, match=r"1000 to 99998 by /srv/one.*FYKE_ATTEMPT_UID_BASE"):
        claim(folder, closing, 30_000, 4096)


def test_a_closed_claim_is_free_again(folder: Path, closing: ExitStack) -> None:
    claim_users(30_000, 10, Path("/a"), folder=folder).close()
    assert active_claims(folder) == []
    assert claim(folder, closing, 30_000, 10).users == range(30_000, 30_010)


def test_the_claim_of_a_killed_process_is_removed(folder: Path, closing: ExitStack) -> None:
    code = (
        "import sys, time; from pathlib import Path; from fyke.sandbox.process import user_claims\n"
        "kept = user_claims.claim_users(30000, 10, Path('/a'), folder=Path(sys.argv[1]))\n"
        "print('up', flush=True); time.sleep(600)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(folder)],
        stdout=subprocess.PIPE,
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"up\n"
    assert claim(folder, closing, 30_000, 10).users == range(30_010, 30_020)
    process.send_signal(signal.SIGKILL)
    process.wait(20)
    process.stdout.close()
    assert claim(folder, closing, 30_000, 10).users == range(30_000, 30_010)
    assert len(list(folder.glob("*-*"))) == 2


def test_a_folder_that_is_a_link_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    folder.symlink_to(tmp_path / "other")
    with pytest.raises(NoFreeUsers, match="must be a folder of user"):
        claim_users(30_000, 10, Path("/a"), folder=folder)


def test_only_its_owner_can_read_the_claims(folder: Path, closing: ExitStack) -> None:
    """Any user who could open a file could lock it."""
    claim(folder, closing, 30_000, 10)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in folder.iterdir()} == {0o600}
