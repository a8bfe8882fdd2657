"""Data folder, port and exposure of a start, with real locks and sockets."""

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
    loaded = Settings(home=tmp_path, host="127.0.0.1", port=0)
    loaded.run_dir.mkdir()
    return loaded


def test_a_data_folder_is_locked_by_one_start(settings: Settings) -> None:
    refuse_if_locked(settings)  # never started
    lock_home(settings)
    for lock in (lock_home, refuse_if_locked):
        with pytest.raises(CommandFailed, match="Stop it first, or choose another") as caught:
            lock(settings)
        assert caught.value.code is Exit.CONFLICT
        assert str(settings.home) in str(caught.value)


def test_checking_the_lock_does_not_take_it(settings: Settings) -> None:
    (settings.run_dir / "up.lock").touch()
    refuse_if_locked(settings)
    refuse_if_locked(settings)
    lock_home(settings)
    with pytest.raises(CommandFailed):  # while that of a running Fyke is seen
        refuse_if_locked(settings)


def test_the_error_for_an_unwritable_folder_has_cause_and_remedy(settings: Settings) -> None:
    message = str(unwritable(settings, PermissionError(13, "Permission denied")))
    assert message.startswith(
        f"The data folder {settings.home} cannot be written: Permission denied."
    )
    assert "--home" in message


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_ipv4_and_ipv6_addresses_are_supported(settings: Settings, host: str) -> None:
    with listen(settings.model_copy(update={"host": host})) as listener:
        assert listener.getsockname()[0] == host
        with socket.create_connection((host, listener.getsockname()[1])):
            pass


def test_the_error_for_a_port_in_use_has_a_remedy(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CommandFailed, match=f"Port {port} on 127.0.0.1.*--port"):
            listen(settings.model_copy(update={"port": port}))


def test_the_error_for_an_address_of_another_machine_names_it(settings: Settings) -> None:
    with pytest.raises(CommandFailed, match=r"Cannot listen on 192\.0\.2\.1:0: "):
        listen(settings.model_copy(update={"host": "192.0.2.1"}))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_loopback_needs_no_password(settings: Settings, host: str) -> None:
    check_exposure(settings.model_copy(update={"host": host}))  # without a database


async def bootstrapped(settings: Settings) -> None:
    async with open_state(settings) as storage:
        await bootstrap(settings, storage)


def test_other_addresses_require_an_owner_password(settings: Settings) -> None:
    state_in(settings.home)
    rows_in(settings.home)
    asyncio.run(bootstrapped(settings))
    exposed = [settings.model_copy(update={"host": host}) for host in ("0.0.0.0", "::", "a.host")]
    for item in exposed:
        with pytest.raises(CommandFailed, match=r"no password yet.*--host 127\.0\.0\.1"):
            check_exposure(item)

    def choose(tx: Transaction) -> None:
        operator = tx.accounts.operator()
        assert operator is not None
        [owner] = tx.accounts.users(operator.id)
        tx.accounts.change_user(replace(owner, password_hash="$argon2id$"))

    async def work() -> None:
        async with open_state(settings) as storage:
            await storage.write(choose)

    asyncio.run(work())
    for item in exposed:
        check_exposure(item)
