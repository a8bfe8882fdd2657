"""Confirmation of deletions and other changes."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from fyke.cli.errors import CommandFailed, Exit

YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]


def confirm(question: str) -> None:
    """Ask a question. Raises ``CommandFailed`` for a no, and without a terminal."""
    if not sys.stdin.isatty():
        raise CommandFailed(f"{question} Without a terminal, confirm with --yes", Exit.USAGE)
    if not typer.confirm(question, err=True):
        raise CommandFailed("Nothing was changed.")


def confirm_deletion(subject: str) -> None:
    """Ask for confirmation. Raises ``CommandFailed`` for a no, and without a terminal."""
    if not sys.stdin.isatty():
        raise CommandFailed(
            f"{subject} would be deleted permanently; without a terminal, confirm with --yes",
            Exit.USAGE,
        )
    if not typer.confirm(f"Delete {subject} permanently?", err=True):
        raise CommandFailed(f"{subject} was not deleted.")
