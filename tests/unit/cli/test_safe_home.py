"""Which data folders root opens: those that no other user could replace."""

from __future__ import annotations

import os
import pwd
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from fyke.cli import safe_home
from fyke.cli.errors import CommandFailed
from fyke.cli.safe_home import open_home, run_as

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives folders away")
USER = pwd.struct_passwd(("service", "x", 12_346, 12_347, "", "/", ""))
OTHER = 54_321


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder of root below /tmp, which other users can traverse, as those that are made in it."""
    before = os.umask(0o022)
    made = Path(tempfile.mkdtemp(prefix="fyke-home-"))
    made.chmod(0o711)
    yield made
    os.umask(before)
    shutil.rmtree(made)


def opened(home: Path) -> os.stat_result:
    """The state of the folder that was opened, which is the one with this name."""
    descriptor = open_home(home, USER)
    try:
        assert os.path.samestat(os.fstat(descriptor), home.stat())
        return os.fstat(descriptor)
    finally:
        os.close(descriptor)


def refused(home: Path, match: str) -> str:
    with pytest.raises(CommandFailed, match=match) as error:
        open_home(home, USER)
    return str(error.value)


def test_a_missing_folder_is_made_with_its_parents(folder: Path) -> None:
    before = os.umask(0o077)
    try:
        assert opened(folder / "a" / "home").st_uid == 0
    finally:
        os.umask(before)
    assert (folder / "a").stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize(("mode", "group"), [(0o777, 0), (0o773, 0), (0o775, OTHER)])
def test_a_parent_that_others_may_write_to_is_refused(folder: Path, mode: int, group: int) -> None:
    parent = folder / "open to others"
    parent.mkdir()
    os.chown(parent, 0, group)
    parent.chmod(mode)
    text = refused(parent / "a" / "home", "others may write to it")
    assert f"{parent / 'a' / 'home'} lies in or below {parent}" in text
    assert text.endswith(
        f"Choose another folder with --home, or change this one: chmod go-w '{parent}'"
    )
    assert list(parent.iterdir()) == []


@pytest.mark.parametrize("mode", [0o755, 0o1777])
def test_a_parent_of_another_user_is_refused(folder: Path, mode: int) -> None:
    parent = folder / "of another"
    parent.mkdir()
    parent.chmod(mode)
    os.chown(parent, OTHER, OTHER)
    text = refused(parent / "home", f"belongs to the user {OTHER}")
    assert text.endswith(
        "Choose another folder with --home, or run Fyke as that user, who has no name yet:\n"
        f"  useradd --system --uid {OTHER} --user-group --shell /usr/sbin/nologin fyke-{OTHER}\n"
        f"  export FYKE_SERVICE_USER=fyke-{OTHER}"
    )
    assert list(parent.iterdir()) == []


@pytest.mark.parametrize("owner", [(0, 0), (USER.pw_uid, USER.pw_gid)])
def test_groups_of_root_and_of_the_service_user_may_write(
    folder: Path, owner: tuple[int, int]
) -> None:
    parent = folder / "of its own"
    parent.mkdir()
    os.chown(parent, *owner)
    parent.chmod(0o775)
    home = parent / "home"
    assert opened(home).st_ino == home.stat().st_ino


@pytest.fixture
def shared(folder: Path) -> Path:
    """A folder like /tmp."""
    made = folder / "shared"
    made.mkdir()
    made.chmod(0o1777)
    return made


@pytest.mark.parametrize("owner", [None, 0, USER.pw_uid])
def test_in_a_shared_folder_own_folders_are_accepted(shared: Path, owner: int | None) -> None:
    if owner is not None:
        (shared / "a").mkdir()
        os.chown(shared / "a", owner, owner)
    for home in (shared / "a", shared / "a" / "home"):
        assert opened(home).st_uid == (owner if home.name == "a" and owner else 0)


def test_in_a_shared_folder_those_of_others_are_refused(shared: Path) -> None:
    (shared / "a").mkdir()
    os.chown(shared / "a", OTHER, OTHER)
    for home in (shared / "a", shared / "a" / "home"):
        assert str(shared / "a") in refused(home, f"{OTHER}, and all may write beside it")
    assert list((shared / "a").iterdir()) == []


@pytest.mark.parametrize("place", ["root", "shared", "service"])
@pytest.mark.parametrize("owner", [0, USER.pw_uid, OTHER])
def test_only_links_of_root_are_followed(
    folder: Path, shared: Path, place: str, owner: int
) -> None:
    target, parent = folder / "target", shared if place == "shared" else folder / place
    target.mkdir()
    parent.mkdir(exist_ok=True)
    if place == "service":
        os.chown(parent, USER.pw_uid, USER.pw_gid)
    link = parent / "link"
    link.symlink_to("../target")
    os.lchown(link, owner, owner)
    if place != "service" and owner == 0:
        opened(link)
        opened(link / "home")
    else:
        for home in (link, link / "home"):
            text = refused(home, "a link that root has not made")
            assert str(link) in text
            assert text.endswith("Choose another folder with --home.")
        assert list(target.iterdir()) == []


def test_the_target_of_a_link_is_checked_as_well(folder: Path) -> None:
    (folder / "open").mkdir()
    (folder / "open").chmod(0o777)
    (folder / "link").symlink_to(folder / "open" / "home")
    refused(folder / "link", "others may write to it")
    (folder / "loop").symlink_to("loop")
    with pytest.raises(OSError, match="symbolic links"):
        open_home(folder / "loop", USER)
    (folder / "root").symlink_to("/")
    refused(folder / "root", "must not be /")


def test_what_another_user_has_mounted_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(safe_home, "MOUNTS", tmp_path / "mounts")
    shared_memory, device = Path("/dev/shm"), os.stat("/dev/shm").st_dev
    assert device != os.stat("/dev").st_dev
    line = "36 35 {} / /x rw - fuse.sshfs s rw,user_id={},group_id=0,allow_other\n"
    number = f"{os.major(device)}:{os.minor(device)}"
    home = shared_memory / tmp_path.name / "home"
    for user, other in ((OTHER, False), (0, True), (USER.pw_uid, True)):
        (tmp_path / "mounts").write_text(line.format("0:0", OTHER) + line.format(number, user))
        if other:
            opened(home)
            shutil.rmtree(home.parent)
        else:
            assert "/dev/shm, and" in refused(home, f"the user {OTHER} has mounted it")


def test_a_user_with_a_name_is_advised_by_it() -> None:
    entry = pwd.getpwuid(os.geteuid())
    advice = (
        f", or run Fyke as that user: FYKE_SERVICE_USER={entry.pw_name} (setting service_user)."
    )
    assert run_as(entry.pw_uid) == advice
