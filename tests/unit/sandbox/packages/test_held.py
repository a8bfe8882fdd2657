"""Which environments a machine has."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from fyke.model.runner import MAX_ENVIRONMENTS
from fyke.sandbox.packages.held import HeldEnvironments

A, B, C = "a" * 32, "b" * 32, "c" * 32
ONE, TWO = "1" * 64, "2" * 64


def made(root: Path, *keys: str) -> HeldEnvironments:
    for number, key in enumerate(keys):
        (root / key).mkdir(parents=True)
        os.utime(root / key, (number, number))
    return HeldEnvironments(root)


def test_the_last_used_come_first_and_survive_a_restart(tmp_path: Path) -> None:
    held = made(tmp_path, ONE, TWO)
    assert held.names() == ()
    held.note(A, ONE)
    held.note(B, TWO)
    held.note(C, "")  # needs none: known until the end of the process
    held.note(A, ONE)
    assert held.names() == (A, C, B)
    assert (tmp_path / ONE / "names").read_text() == f"{A}\n"
    os.utime(tmp_path / TWO, (10**10, 10**10))
    assert HeldEnvironments(tmp_path).names() == (B, A)


def test_removed_environments_are_forgotten(tmp_path: Path) -> None:
    held = made(tmp_path, ONE, TWO)
    held.note(A, ONE)
    held.note(B, TWO)
    shutil.rmtree(tmp_path / TWO)
    assert held.names() == (A,)
    assert HeldEnvironments(tmp_path).names() == (A,)
    assert HeldEnvironments(tmp_path / "none").names() == ()


def test_one_environment_may_have_several_names(tmp_path: Path) -> None:
    held = made(tmp_path, ONE)
    held.note(A, ONE)
    held.note(B, ONE)
    assert set(HeldEnvironments(tmp_path).names()) == {A, B}


def test_only_so_many_names_are_listed_and_no_other_text(tmp_path: Path) -> None:
    held = made(tmp_path, ONE)
    for number in range(MAX_ENVIRONMENTS + 5):
        held.note(f"{number:032x}", ONE)
    assert len(held.names()) == MAX_ENVIRONMENTS
    assert held.names()[0] == f"{MAX_ENVIRONMENTS + 4:032x}"
    (tmp_path / ONE / "names").write_text(f"../x {A}\n")
    assert HeldEnvironments(tmp_path).names() == (A,)
