"""Fixtures for commands that run in the process of the tests."""

from __future__ import annotations

from functools import cache

from typer import testing

import fyke.cli.main  # noqa: F401 - first, for commands are listed in the order of their import

# building the tree of all commands takes longer than most commands
testing._get_command = cache(testing._get_command)
