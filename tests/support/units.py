"""How xdist distributes the tests: by file, and the parts of the longest files separately."""

from __future__ import annotations

import re

from xdist.scheduler import LoadFileScheduling

# What the ids of the tests of one part have in common; the other tests of the file are one more.
PARTS = {
    "tests/e2e/test_many_machines.py": re.compile(r"::(test_the_end_to_end_suite)_"),
    "tests/e2e/test_torture.py": re.compile(r"-(sqlite|postgres)\]$"),
    "tests/e2e/test_two_servers.py": re.compile(r"\[(part \d)\]$"),
    "tests/e2e/test_zoo.py": re.compile(r"\[(python|node|go)-"),
    "tests/integration/fuzz/test_time_per_byte.py": re.compile(r"\[([\w. ]+)-"),
}


def unit_of(test: str) -> str:
    """The file, with the part of it, whose tests run in one process one after another."""
    file = test.split("::", 1)[0]
    part = PARTS[file].search(test) if file in PARTS else None
    return f"{file} {part[1]}" if part else file


class UnitScheduling(LoadFileScheduling):
    """``--dist loadfile`` with ``unit_of``."""

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid)
