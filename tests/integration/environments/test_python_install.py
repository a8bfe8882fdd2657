"""Real installations with uv from a folder of test wheels, and one from the registry."""

from __future__ import annotations

import asyncio
import hashlib
import os
import stat
import subprocess
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from fyke.contracts.execution import Environment, EnvironmentFailed
from fyke.model.node import RunnableVersion
from fyke.model.worker import Language
from fyke.sandbox.packages.environment import LOG, SEAL
from fyke.sandbox.packages.held import NAMES
from support.environments import Installing, Workspace, open_workspace
from support.memory import a_runnable_version
from support.wheels import make_wheel, make_wheel_folder

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.needs("bwrap"),
]

PYTHON = "/usr/bin/python3"


def version(requirements: str = "") -> RunnableVersion:
    return a_runnable_version("w", language=Language.PYTHON, requirements=requirements)


@pytest.fixture
async def workspace() -> AsyncIterator[Workspace]:
    async with open_workspace() as workspace:
        make_wheel_folder(workspace.wheels)
        yield workspace
        assert os.listdir(workspace.setup.work) == []


@pytest.fixture
def wheels(workspace: Workspace) -> Path:
    return workspace.wheels


@pytest.fixture
def root(workspace: Workspace) -> Path:
    return workspace.root


@pytest.fixture
def environments(workspace: Workspace) -> Installing:
    return workspace.offline()


def run(environment: Environment, code: str) -> str:
    """Run code in an environment as a sandbox does; it contains only wheels of this test."""
    assert environment.path is not None
    completed = subprocess.run(
        [environment.path / "bin" / "python", "-I", "-c", code],
        capture_output=True, text=True, check=True, env={},
    )  # fmt: skip
    return completed.stdout.strip()


def site_of(environment: Environment) -> Path:
    assert environment.path is not None
    (site,) = environment.path.glob("lib/python3*/site-packages")
    return site


async def test_requirements_and_the_base_set_are_installed(
    environments: Installing, wheels: Path, tmp_path: Path
) -> None:
    make_wheel(wheels, "tiny", "1.5")
    environment = await environments.ensure(version("tiny==1.5\n"), tmp_path)
    code = "import tiny, protobuf, grpc, sys; print(tiny.VALUE, sys.prefix)"
    assert run(environment, code) == f"1.5 {environment.path}"
    assert "tiny==1.5" in environment.log
    cached = site_of(environment) / "__pycache__"
    assert [path.name.split(".")[0] for path in cached.glob("tiny.*.pyc")] == ["tiny"]
    assert b"/env/lib/python3" in next(cached.glob("tiny.*.pyc")).read_bytes()


async def test_a_base_package_that_is_named_keeps_its_version(
    environments: Installing, wheels: Path, tmp_path: Path
) -> None:
    make_wheel(wheels, "protobuf", "5.0")
    environment = await environments.ensure(version("ProtoBuf==5.0"), tmp_path)
    assert run(environment, "import protobuf; print(protobuf.VALUE)") == "5.0"


async def test_every_user_can_read_an_environment(environments: Installing, tmp_path: Path) -> None:
    old = os.umask(0o077)
    try:
        environment = await environments.ensure(version(), tmp_path)
    finally:
        os.umask(old)
    assert environment.path is not None
    for path in (
        environment.path.parent.parent,
        environment.path.parent,
        *environment.path.parent.rglob("*"),
    ):
        mode = path.lstat().st_mode
        if not stat.S_ISLNK(mode):
            assert mode & 0o444 == 0o444, path
            assert stat.S_ISDIR(mode) or path.name in (LOG, NAMES) or not mode & 0o222, path
    assert (environment.path.parent / LOG).read_text() == environment.log


async def test_equal_requirements_share_one_folder(
    environments: Installing, wheels: Path, tmp_path: Path
) -> None:
    make_wheel(wheels, "one")
    make_wheel(wheels, "two")
    first = await environments.ensure(version("one\ntwo\n"), tmp_path)
    second = await environments.ensure(version("# odd spelling\nTwo\n\nONE  # x"), tmp_path)
    other = await environments.ensure(version("one"), tmp_path)
    assert second == first
    assert other.path != first.path


async def test_concurrent_builders_share_one_build(
    workspace: Workspace, tmp_path: Path, root: Path
) -> None:
    builders = [workspace.offline() for _ in range(2)]
    built = await asyncio.gather(*(builders[n % 2].ensure(version(), tmp_path) for n in range(4)))
    assert len({environment.path for environment in built}) == 1
    assert len({environment.log for environment in built}) == 1
    left = [path.name for path in root.iterdir() if path.name != ".locks"]
    assert len(left) == 1


async def test_a_pth_file_is_not_executed(
    environments: Installing, wheels: Path, tmp_path: Path
) -> None:
    mark = tmp_path / "ran"
    attack = f"import os; os.system('touch {mark}')\n"
    files = {
        "evil.pth": attack,
        "sitecustomize.py": attack,
        "usercustomize.py": attack,
        "compileall.py": attack,
        "evil/__init__.py": attack,
        "conftest.py": attack,
    }
    make_wheel(wheels, "evil", files=files)
    environment = await environments.ensure(version("evil"), tmp_path)
    assert (site_of(environment) / "evil.pth").exists()
    assert (site_of(environment) / "evil" / "__pycache__").is_dir()
    await environments.ensure(version("evil"), tmp_path)
    assert not mark.exists()
    run(environment, "pass")  # shows that the file has an effect once it is executed
    assert mark.exists()


async def test_console_scripts_name_the_mounted_interpreter(
    environments: Installing, wheels: Path, tmp_path: Path
) -> None:
    info = "tool-99.0.dist-info"
    files = {
        "tool.py": "def main(): print('hi')\n",
        f"{info}/entry_points.txt": "[console_scripts]\ntool = tool:main\n",
    }
    files["tool-99.0.data/scripts/pythonic"] = "#!python\nprint('x')\n"
    files["tool-99.0.data/scripts/shell"] = "#!/bin/sh\necho x\n"
    make_wheel(wheels, "tool", files=files)
    environment = await environments.ensure(version("tool"), tmp_path)
    assert environment.path is not None
    script = environment.path / "bin" / "tool"
    assert script.read_text().startswith("#!/env/bin/python\n")
    assert os.access(script, os.X_OK)
    assert (environment.path / "bin" / "pythonic").read_text().startswith("#!/env/bin/python\n")
    assert (environment.path / "bin" / "shell").read_text().startswith("#!/bin/sh\n")
    assert (environment.path / "bin" / "python").readlink() == Path(PYTHON)


async def test_unresolvable_requirements_are_reported(
    environments: Installing, tmp_path: Path, root: Path
) -> None:
    with pytest.raises(EnvironmentFailed, match="no-such-package") as caught:
        await environments.ensure(version("no-such-package-anywhere==1"), tmp_path)
    assert "could not be installed" in str(caught.value)
    assert "no-such-package-anywhere" in caught.value.log
    left = [path.name for path in root.iterdir()]
    assert left == [".locks"]


async def test_source_packages_are_not_built(
    environments: Installing, wheels: Path, tmp_path: Path
) -> None:
    mark = tmp_path / "built"
    source = tmp_path / "src" / "hook-1.0"
    source.mkdir(parents=True)
    (source / "setup.py").write_text(f"import os\nos.system('touch {mark}')\n")
    (source / "PKG-INFO").write_text("Metadata-RunnableVersion: 2.1\nName: hook\nVersion: 1.0\n")
    subprocess.run(
        ["tar", "-czf", wheels / "hook-1.0.tar.gz", "-C", source.parent, "hook-1.0"], check=True
    )
    with pytest.raises(EnvironmentFailed, match="ready-made wheel"):
        await environments.ensure(version("hook"), tmp_path)
    assert not mark.exists()


@pytest.mark.parametrize(
    "line",
    [
        "-r /etc/passwd",
        "-c other.txt",
        "-e .",
        "--index-url https://example.invalid/simple",
        "--extra-index-url=https://example.invalid/simple",
        "--find-links /",
        "--trusted-host x",
        "x @ file:///etc/passwd",
        "x @ https://example.invalid/x.whl",
        "git+https://example.invalid/x",
        "./local",
        "/abs/x.whl",
        "x.whl",
        "../x",
        "x ; os.system('a')@",
        "${HOME}",
    ],
)
async def test_unsupported_lines_are_refused(
    environments: Installing, tmp_path: Path, line: str, root: Path
) -> None:
    with pytest.raises(EnvironmentFailed, match=r"requirements\.txt line 1"):
        await environments.ensure(version(line), tmp_path)
    assert not root.exists()


async def test_a_direct_reference_inside_a_package_is_refused(
    environments: Installing, wheels: Path, tmp_path: Path
) -> None:
    secret = tmp_path / "other"
    secret.mkdir()
    wheel = make_wheel(secret, "inner")
    make_wheel(wheels, "outer", metadata=f"Requires-Dist: inner @ {wheel.as_uri()}\n")
    with pytest.raises(EnvironmentFailed):
        await environments.ensure(version("outer"), tmp_path)


async def test_an_environment_that_is_too_large_is_refused(
    workspace: Workspace, wheels: Path, tmp_path: Path, root: Path
) -> None:
    environments = workspace.offline(max_bytes=400_000)
    make_wheel(wheels, "big", files={"big.txt": "x" * 500_000})
    with pytest.raises(EnvironmentFailed, match="more than the allowed 400,000 bytes"):
        await environments.ensure(version("big"), tmp_path)
    assert [path.name for path in root.iterdir()] == [".locks"]


async def test_hashes_are_checked(environments: Installing, wheels: Path, tmp_path: Path) -> None:
    make_wheel(wheels, "signed")
    with pytest.raises(EnvironmentFailed, match=r"(?i)hash"):
        await environments.ensure(version("signed==99.0 --hash=sha256:" + "0" * 64), tmp_path)


async def test_fully_locked_environments_are_shared_by_accounts(
    environments: Installing, wheels: Path, tmp_path: Path
) -> None:
    make_wheel(wheels, "whole", metadata="Requires-Dist: part\n")
    make_wheel(wheels, "part")
    lines = {
        wheel.name.split("-")[0]: "{}=={} --hash=sha256:{}\n".format(
            *wheel.name.split("-")[:2], hashlib.sha256(wheel.read_bytes()).hexdigest()
        )
        for wheel in wheels.iterdir()
    }
    locked = version("".join(lines.values()))
    first, second = [
        await environments.ensure(locked, tmp_path, account) for account in ("ONE", "TWO")
    ]
    assert first == second
    del lines["part"]  # as with pip, all packages need a hash if one has a hash
    with pytest.raises(EnvironmentFailed, match=r"(?i)hash|part"):
        await environments.ensure(version("".join(lines.values())), tmp_path)


async def test_an_interrupted_build_is_removed(workspace: Workspace, tmp_path: Path) -> None:
    first = await workspace.offline().ensure(version(), tmp_path)
    assert first.path is not None
    home = first.path.parent
    half = home.parent / f".build-{home.name}"
    home.rename(half)
    second = await workspace.offline().ensure(version(), tmp_path)
    assert second.path == first.path
    assert not half.exists()


@pytest.mark.parametrize("fault", ["content", "added", "gone", "link", "mode", "seal"])
async def test_a_modified_environment_is_not_used_for_another_worker(
    workspace: Workspace, tmp_path: Path, fault: str
) -> None:
    environments = workspace.offline()
    first = await environments.ensure(version(), tmp_path)
    assert first.path is not None
    file = site_of(first) / "protobuf.py"
    before = file.read_text()
    file.chmod(0o644)
    if fault == "content":
        file.write_text(before.replace("6", "7"))
    elif fault == "added":
        (file.parent / "new.pth").write_text("import os")
    elif fault == "gone":
        file.unlink()
    elif fault == "link":
        file.unlink()
        file.symlink_to("/etc/passwd")
    elif fault == "mode":
        file.chmod(0o755)
    else:
        (first.path.parent / SEAL).unlink()
    other = replace(version(), worker_id="another")
    second = await environments.ensure(other, tmp_path)
    assert second.path == first.path
    assert file.read_text() == before
    assert not (file.parent / "new.pth").exists()
    assert not file.is_symlink()


async def test_a_worker_that_uses_an_environment_does_not_check_it_again(
    workspace: Workspace, tmp_path: Path
) -> None:
    environments = workspace.offline()
    first = await environments.ensure(version(), tmp_path)
    (site_of(first) / "protobuf.py").unlink()
    assert await environments.ensure(version(), tmp_path) == first


async def test_a_compiled_go_program_needs_no_environment(
    environments: Installing, tmp_path: Path, root: Path
) -> None:
    (tmp_path / "main").write_bytes(b"a program")
    environment = await environments.ensure(a_runnable_version("w", language=Language.GO), tmp_path)
    assert environment == Environment(None, "")
    assert not root.exists()


async def test_a_missing_interpreter_is_reported(workspace: Workspace, tmp_path: Path) -> None:
    with pytest.raises(
        EnvironmentFailed, match="/bin/false is not installed on this machine, or does not answer"
    ):
        await workspace.offline(python="/bin/false").ensure(version(), tmp_path)


async def test_the_installation_has_a_time_limit(workspace: Workspace, tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFailed, match=r"within 0\.001 seconds; use fewer"):
        await workspace.offline(seconds=0.001).ensure(version(), tmp_path)
    assert [path.name for path in workspace.root.iterdir()] == [".locks"]


async def test_stopping_kills_the_installer(workspace: Workspace, tmp_path: Path) -> None:
    work = asyncio.create_task(workspace.offline().ensure(version(), tmp_path))
    while not os.listdir(workspace.setup.work):
        await asyncio.sleep(0.005)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert (await workspace.offline().ensure(version(), tmp_path)).path


async def test_packages_are_installed_from_the_registry(
    workspace: Workspace, tmp_path: Path
) -> None:
    environments = workspace.environments(dict(os.environ))
    try:
        environment = await environments.ensure(version("six\n"), tmp_path)
    except EnvironmentFailed as error:
        if "No solution" in error.log or "ready-made" not in str(error):
            raise
        pytest.skip(f"no registry can be reached: {error}")
    code = "import six, grpc, google.protobuf; print(six.__name__, google.protobuf.__version__)"
    name, number = run(environment, code).split()
    assert name == "six"
    assert tuple(map(int, number.split(".")[:2])) >= (6, 31)
