"""Folder, port and exposure of a start, on real locks and sockets."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from fyke.app.state import bootstrap, open_state
from fyke.cli.errors import CommandFailed, Exit
from fyke.cli.listening import check_exposure, listen, lock_home, refuse_if_locked, unwritable
from fyke.contracts.state import Transaction
from fyke.settings import Settings
from support.prepared import rows_in, state_in


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    made = Settings(home=tmp_path, host="127.0.0.1", port=0)
    made.run_dir.mkdir()
    return made


def test_a_folder_has_one_start_at_a_time(settings: Settings) -> None:
    refuse_if_locked(settings)  # nothing was ever started there
    lock_home(settings)
    for again in (lock_home, refuse_if_locked):
        with pytest.raises(CommandFailed, match="Stop it first, or choose another") as caught:
            again(settings)
        assert caught.value.code is Exit.CONFLICT
        assert str(settings.home) in str(caught.value)


def test_looking_takes_no_lock(settings: Settings) -> None:
    (settings.run_dir / "up.lock").touch()
    refuse_if_locked(settings)
    refuse_if_locked(settings)
    lock_home(settings)


def test_a_folder_that_cannot_be_written_says_why(settings: Settings) -> None:
    said = str(unwritable(settings, PermissionError(13, "Permission denied")))
    assert said.startswith(f"The data folder {settings.home} cannot be written: Permission denied.")
    assert "--home" in said


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_both_families_of_addresses_are_listened_on(settings: Settings, host: str) -> None:
    with listen(settings.model_copy(update={"host": host})) as listener:
        assert listener.getsockname()[0] == host
        with socket.create_connection((host, listener.getsockname()[1])):
            pass


def test_a_port_in_use_is_named_with_what_helps(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CommandFailed, match=f"Port {port} on 127.0.0.1.*--port"):
            listen(settings.model_copy(update={"port": port}))


def test_an_address_that_is_not_of_this_machine_is_named(settings: Settings) -> None:
    with pytest.raises(CommandFailed, match=r"Cannot listen on 192\.0\.2\.1:0: "):
        listen(settings.model_copy(update={"host": "192.0.2.1"}))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_loopback_needs_no_password(settings: Settings, host: str) -> None:
    check_exposure(settings.model_copy(update={"host": host}))  # and no database is there


def test_other_addresses_need_the_password_of_the_owner(settings: Settings) -> None:
    state_in(settings.home)
    rows_in(settings.home)
    asyncio.run(bootstrap(settings))
    exposed = [settings.model_copy(update={"host": host}) for host in ("0.0.0.0", "::", "a.host")]
    for each in exposed:
        with pytest.raises(CommandFailed, match=r"no password yet.*--host 127\.0\.0\.1"):
            check_exposure(each)

    def choose(tx: Transaction) -> None:
        operator = tx.accounts.operator()
        assert operator is not None
        [owner] = tx.accounts.users(operator.id)
        tx.accounts.change_user(replace(owner, password_hash="$argon2id$"))

    async def work() -> None:
        async with open_state(settings) as storage:
            await storage.write(choose)

    asyncio.run(work())
    for each in exposed:
        check_exposure(each)
