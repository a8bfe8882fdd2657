"""Root runs the contract suite again as a plain user with the direct spawner. The user gets control
groups, as delegated by a service manager, so the same tests run with and without hard limits.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from fyke.sandbox.isolation.cgroup_v1 import GroupsV1
from fyke.sandbox.isolation.cgroups import detect
from integration.sandbox.sandboxes import GROUPS_VARIABLE, PLAIN_UID, others_can_run_us

TESTS = Path(__file__).parents[2]
HOSTILE, ENVIRONMENTS = "integration/sandbox/test_hostile.py", "contract/test_environments.py"
BROWSERS, WALLS = "contract/test_browsers.py", "integration/browser/test_walls.py"
SUITES = (HOSTILE, ENVIRONMENTS, BROWSERS, WALLS, "contract/test_tool_sandboxes.py")
# The main differences without the launcher: isolation, users, groups, and the end of a sandbox.
SHARE = (
    "contract/test_sandbox.py",
    "integration/sandbox/test_escape.py",
    "integration/sandbox/test_layers.py",
    f"{ENVIRONMENTS}::test_an_environment_is_built_once",
    f"{BROWSERS}::test_a_browser_starts_and_is_connected_to",
    f"{WALLS}::test_a_page_reaches_nothing_but_the_proxy",
    *(
        f"{HOSTILE}::{name}"
        for name in (
            "test_the_cpu_quota_is_lifted_before_the_kill",
            "test_a_fork_bomb_is_limited",
            "test_killing_the_sandbox_ends_daemons",
            "test_a_memory_hog_is_killed_with_the_reason",
        )
    ),
)

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="the suites run as this plain user already"),
    pytest.mark.skipif(not others_can_run_us(), reason="this Python is closed to other users"),
    pytest.mark.needs("bwrap", "chromium"),
]


@pytest.fixture
def delegated(tmp_path: Path) -> Iterator[str]:
    groups = detect(tmp_path)
    if not isinstance(groups, GroupsV1):
        yield ""
        return
    paths = dict(groups._bases)
    groups.create("MAKE", 2**26, 8).remove()  # creates the folder whose ownership is passed on
    for path in set(paths.values()):
        for entry in (path, path / "cgroup.procs"):
            os.chown(entry, PLAIN_UID, PLAIN_UID)
    yield ",".join(f"{controller}={path}" for controller, path in paths.items())
    groups.close()


@pytest.fixture(scope="module")
def open_checkout() -> Iterator[Path]:
    """Copy tests, SDK and settings to a folder that every user may read, unlike one in /root."""
    with tempfile.TemporaryDirectory(prefix="fyke-checkout-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        shutil.copy(TESTS.parent / "pyproject.toml", folder)
        for part in ("tests", "sdk"):
            shutil.copytree(
                TESTS.parent / part, folder / part, ignore=shutil.ignore_patterns("__pycache__")
            )
        yield folder


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "suites",
    [
        pytest.param(SHARE, id="share"),
        *(pytest.param((suite,), id=suite, marks=pytest.mark.long) for suite in SUITES),
    ],
)
def test_the_sandbox_tests_pass_as_a_plain_user(
    suites: tuple[str, ...], delegated: str, open_checkout: Path
) -> None:
    ended = subprocess.run(
        [
            *(sys.executable, "-B", "-m", "pytest", "-p", "no:cacheprovider", "-m", "not long"),
            *(str(open_checkout / "tests" / suite) for suite in suites),
        ],
        user=PLAIN_UID,
        group=PLAIN_UID,
        extra_groups=[],
        cwd=open_checkout,
        env={"HOME": "/tmp", "PATH": "/usr/bin:/bin", GROUPS_VARIABLE: delegated},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout[-8000:] + ended.stderr[-2000:]
    assert "passed" in ended.stdout
