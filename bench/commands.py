"""Measures how long commands of the command line take: ``fyke --help`` and ``fyke run list``.

    python bench/commands.py [--times 20]

Boots a whole platform with one run and calls each command, one after another, from its start to its
end, with the files in the page cache. Prints p50, p90 and p99 in ms.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from common import arguments, head, platform_up, times

from support.projects import python_project

FYKE = Path(sys.executable).with_name("fyke")
COMMANDS = (("--help",), ("run", "list"))


def took(command: tuple[str, ...], environment: dict[str, str]) -> float:
    """Milliseconds. Raises ``CalledProcessError`` if the command fails."""
    started = time.perf_counter()
    subprocess.run([FYKE, *command], env=environment, stdout=subprocess.DEVNULL, check=True)
    return (time.perf_counter() - started) * 1000


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--times", type=int, default=20)
    options = parser.parse_args()
    head("Commands of the command line")
    with platform_up() as (running, api):
        worker = running.push(python_project("print('here')\n"), "bench-commands")
        api.ended(api.start(worker)["run_slug"])
        environment = os.environ | {"FYKE_URL": running.url, "FYKE_KEY": running.key}
        for command in COMMANDS:
            took(command, environment)
            seen = [took(command, environment) for _ in range(options.times)]
            times(f"fyke {' '.join(command)}", seen)
    return 0


if __name__ == "__main__":
    sys.exit(main())
