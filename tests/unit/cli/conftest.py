"""Commands in this process."""

from __future__ import annotations

from functools import cache

from typer import testing

import fyke.cli.main  # noqa: F401 - first, for commands are listed in the order of their import

# the tree of all commands, which takes longer to build than most commands to run
testing._get_command = cache(testing._get_command)
