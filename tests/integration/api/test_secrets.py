"""Secrets of Workers over the API: who may set them, which runs get them; no value is returned."""

from __future__ import annotations

import base64
import itertools
import json
from dataclasses import replace
from pathlib import Path

import pytest

from fyke.contracts.state import Storage, Transaction
from fyke.domain.runs.service import StartRequest
from fyke.domain.secrets.inject import USED_EVERY_MS, RunSecrets
from fyke.errors import Refused, SecretNotFound, WorkerNotFound
from fyke.kit.sealing import Sealer
from fyke.model.account import Caller
from fyke.model.run import Origin, Run
from fyke.model.secret import InjectedSecrets
from fyke.wire.fyke.secrets import WorkerSecret, WorkerSecretList
from support.answers import reads_as
from support.api import Api, fails
from support.app import SECRET, App
from support.matrix import INPUT
from support.projects import python_project

pytestmark = pytest.mark.anyio

VALUE = "canary: p@ss wörd"
AT = "/api/fyke/workers/owner~reader/secrets"


async def taken(storage: Storage, run: Run, master: bytes = SECRET) -> InjectedSecrets:
    """The secrets that an attempt of the run gets."""
    secrets = RunSecrets(Sealer(master))
    return await storage.write(lambda tx: secrets.take(tx, run.account_id, run.worker_id))


async def given_to(
    app: App, caller: Caller, worker_id: str, master: bytes = SECRET
) -> InjectedSecrets:
    """Return the secrets that a run of the worker by this account gets."""
    run = await app.services.runs.start(caller, _start(worker_id))
    return await taken(app.storage, run, master)


def _start(worker_id: str) -> StartRequest:
    return StartRequest(worker_id, None, INPUT, "", Origin.API)


def in_files(folder: Path, value: str) -> list[str]:
    """The files that contain a value, in plain text or base64."""
    spelled = {value.encode(), base64.b64encode(value.encode()), value.encode().hex().encode()}
    paths = []
    for file in folder.rglob("*"):
        if file.is_file() and any(item in file.read_bytes() for item in spelled):
            paths.append(str(file))
    return paths


async def test_a_secret_is_set_listed_replaced_and_removed(app: App, api: Api) -> None:
    await app.publish("reader")
    assert (await api.get(AT)).json()["data"] == {"list": [], "needed": [], "missing": []}
    answer = await api.send("PUT", f"{AT}/LOGIN", json={"value": VALUE})
    reads_as(WorkerSecret, answer)
    item = answer.json()["data"]
    assert (item["name"], item["used_at"], item["readable"]) == ("LOGIN", 0, True)
    assert item["set_by"] == app.owner.user_name and item["set_at"] > 1_700_000_000
    await api.send("PUT", f"{AT}/COOKIES", json={"value": "a=b; c=d"})
    await api.send("PUT", f"{AT}/LOGIN", json={"value": VALUE + "2"})
    listed = await api.get(AT)
    reads_as(WorkerSecretList, listed)
    assert [secret["name"] for secret in listed.json()["data"]["list"]] == ["COOKIES", "LOGIN"]
    assert (await api.send("DELETE", f"{AT}/COOKIES")).status_code == 200
    fails(await api.send("DELETE", f"{AT}/COOKIES"), 404, 4040)
    assert [secret["name"] for secret in (await api.get(AT)).json()["data"]["list"]] == ["LOGIN"]


async def test_no_answer_no_audit_entry_and_no_file_contains_a_value(
    app: App, api: Api, tmp_path: Path
) -> None:
    worker = await app.publish("reader")
    answers = ""
    for name, value in (
        ("LOGIN", VALUE), ("LOGIN", VALUE + " changed"), ("PATH", VALUE), ("low", VALUE),
        ("LOGIN", VALUE + "\0"), ("LOGIN", VALUE * 2000), ("LOGIN", [VALUE]), ("LOGIN", None),
    ):  # fmt: skip
        answers += (await api.send("PUT", f"{AT}/{name}", json={"value": value})).text
    await given_to(app, app.owner, worker.id)
    for path in (AT, "/api/fyke/audit", "/api/fyke/workers", "/api/fyke/catalog"):
        answers += (await api.get(path)).text
    answers += (await api.send("DELETE", f"{AT}/LOGIN")).text
    acts = (await api.get("/api/fyke/audit")).json()["data"]["list"]
    shown = [(a["action"], a["target"], a["detail"]) for a in acts if "secret" in a["action"]]
    assert shown == [
        ("secret.delete", "owner/reader", "LOGIN"),
        ("secret.set", "owner/reader", "LOGIN, replaced"),
        ("secret.set", "owner/reader", "LOGIN"),
    ]
    assert "canary" not in answers + str(acts)
    assert in_files(tmp_path, VALUE) == []


async def test_refusals_have_the_rule(app: App, api: Api) -> None:
    await app.publish("reader")
    for name, value, words in (
        ("login", VALUE, "1 to 64 characters"),
        ("LD_PRELOAD", VALUE, "add a prefix, as in"),
        ("HTTPS_PROXY", VALUE, "MY_HTTPS_PROXY"),
        ("LOGIN", "short", "at least 6 characters"),
        ("LOGIN", "x" * 16385, "16,385 bytes"),
        ("LOGIN", "x" * 100_001, "100000 characters"),
        ("LOGIN", "seven\0!", "NUL"),
        ("LOGIN", None, "required"),
    ):
        answer = await api.send("PUT", f"{AT}/{name}", json={"value": value})
        fails(answer, 400, 4000, words)
    assert (await api.get(AT)).json()["data"] == {"list": [], "needed": [], "missing": []}


async def test_a_worker_has_at_most_fifty_secrets(app: App) -> None:
    first, second = await app.publish("reader"), await app.publish("second")
    put = app.services.secrets.put
    for number in range(50):
        await put(app.owner, first.id, f"S{number}", VALUE)
    with pytest.raises(Refused, match="at most 50"):
        await put(app.owner, first.id, "ONE_MORE", VALUE)
    await put(app.owner, first.id, "S7", VALUE)
    await put(app.owner, second.id, "ONE_MORE", VALUE)
    await put(app.other, first.id, "ONE_MORE", VALUE)


async def test_a_run_gets_only_the_secrets_of_its_account_and_worker(
    app: App,
) -> None:
    """Two accounts, each with a public worker and secrets for both: four kinds of runs."""
    accounts = {"owner": app.owner, "other": app.other}
    workers = {
        name: await app.publish(f"of-{name}", caller=caller) for name, caller in accounts.items()
    }
    pairs = list(itertools.product(accounts, workers))
    for account, worker in pairs:
        for name in ("LOGIN", f"ONLY_{account}_{worker}".upper()):
            value = f"{name} of {account} for {worker}"
            await app.services.secrets.put(accounts[account], workers[worker].id, name, value)
    for account, worker in pairs:
        injected = await given_to(app, accounts[account], workers[worker].id)
        assert injected.environment == {
            name: f"{name} of {account} for {worker}"
            for name in ("LOGIN", f"ONLY_{account}_{worker}".upper())
        }
    third = await app.publish("third")
    assert (await given_to(app, app.owner, third.id)) == InjectedSecrets()
    await app.services.secrets.remove(app.owner, workers["other"].id, "LOGIN")
    injected = await given_to(app, app.owner, workers["other"].id)
    assert list(injected.environment) == ["ONLY_OWNER_OTHER"]


async def test_a_sealed_value_that_is_moved_in_the_database_cannot_be_opened(app: App) -> None:
    first, second = await app.publish("reader"), await app.publish("second")
    secrets, owner, other = app.services.secrets, app.owner, app.other
    await secrets.put(owner, first.id, "LOGIN", VALUE)
    [own_secret] = await app.storage.read(lambda tx: tx.secrets.of(owner.account_id, first.id))
    for moved in (
        replace(own_secret, account_id=other.account_id),
        replace(own_secret, worker_id=second.id),
        replace(own_secret, name="RENAMED"),
    ):
        await app.storage.write(lambda tx, moved=moved: tx.secrets.put(moved))
    for caller, worker, name in ((other, first, "LOGIN"), (owner, second, "LOGIN")):
        injected = await given_to(app, caller, worker.id)
        assert (injected.environment, injected.unreadable) == ({}, (name,))
        [view] = (await secrets.read(caller, worker.id)).secrets
        assert not view.readable
    injected = await given_to(app, owner, first.id)
    assert (injected.environment, injected.unreadable) == ({"LOGIN": VALUE}, ("RENAMED",))


async def test_an_installation_without_its_secret_reports_that_and_continues(app: App) -> None:
    worker = await app.publish("reader")
    await app.services.secrets.put(app.owner, worker.id, "LOGIN", VALUE)
    injected = await given_to(app, app.owner, worker.id, master=b"another" * 5)
    assert (injected.environment, injected.unreadable) == ({}, ("LOGIN",))
    restored = type(app.services.secrets)(app.storage, Sealer(b"another" * 5))
    [view] = (await restored.read(app.owner, worker.id)).secrets
    assert (view.name, view.readable) == ("LOGIN", False)
    await restored.put(app.owner, worker.id, "LOGIN", VALUE)
    assert (await given_to(app, app.owner, worker.id, master=b"another" * 5)).environment


async def test_the_time_of_use_is_stored_once_a_minute(app: App, api: Api) -> None:
    worker = await app.publish("reader")
    await app.services.secrets.put(app.owner, worker.id, "LOGIN", VALUE)
    run = await app.services.runs.start(app.owner, _start(worker.id))

    async def used() -> int:
        return (await app.services.secrets.read(app.owner, worker.id)).secrets[0].used_at

    def use_a_minute_ago(tx: Transaction) -> int:
        at = tx.now - USED_EVERY_MS - 1
        tx.secrets.note_use(run.account_id, run.worker_id, ["LOGIN"], at)
        return at

    assert await used() == 0
    before = await app.storage.write(use_a_minute_ago)
    assert await used() == before
    await taken(app.storage, run)
    first = await used()
    assert first > before + USED_EVERY_MS
    await taken(app.storage, run)
    assert await used() == first
    assert (await api.get(AT)).json()["data"]["list"][0]["used_at"] > 0


async def test_secrets_are_removed_with_the_worker_or_separately(app: App) -> None:
    secrets = app.services.secrets
    foreign = await app.publish("theirs", caller=app.other)
    await secrets.put(app.owner, foreign.id, "LOGIN", VALUE)
    await secrets.put(app.other, foreign.id, "LOGIN", VALUE)
    await app.services.reviews.unshare(app.other, foreign.id)
    with pytest.raises(WorkerNotFound):
        await secrets.put(app.owner, foreign.id, "SECOND", VALUE)
    for ref in (foreign.id, "other/theirs"):
        assert [secret.name for secret in (await secrets.read(app.owner, ref)).secrets] == ["LOGIN"]
    await secrets.remove(app.owner, "other/theirs", "LOGIN")
    with pytest.raises(WorkerNotFound):
        await secrets.read(app.owner, foreign.id)
    await app.services.removal.delete(app.other, foreign.id)
    left = await app.storage.read(lambda tx: tx.secrets.of(app.other.account_id, foreign.id))
    assert left == []


async def test_a_missing_secret_cannot_be_removed(app: App, api: Api) -> None:
    worker = await app.publish("reader")
    await app.services.secrets.put(app.other, worker.id, "LOGIN", VALUE)
    with pytest.raises(SecretNotFound):
        await app.services.secrets.remove(app.owner, worker.id, "LOGIN")
    answer = await api.send("DELETE", f"/api/fyke/workers/{worker.id}/secrets/LOGIN")
    fails(answer, 404, 4040, "Secret does not exist")


async def test_required_secrets_are_listed_while_they_are_missing(app: App, api: Api) -> None:
    body = json.dumps({"secrets": ["LOGIN", "TOKEN"]})
    data = python_project("print(1)\n", **{"fyke.json": body})
    worker, version, _ = await app.services.workers.publish(
        app.owner, data, name="reader", title="Reader", public=True
    )
    assert version.secrets == ("LOGIN", "TOKEN")

    async def missing(key: str = "") -> list[str]:
        shown = (await api.get(AT, key=key)).json()["data"]
        assert shown["needed"] == ["LOGIN", "TOKEN"]
        return list(shown["missing"])

    assert await missing() == ["LOGIN", "TOKEN"]
    await app.services.secrets.put(app.owner, worker.id, "TOKEN", VALUE)
    await app.services.secrets.put(app.owner, worker.id, "MORE", VALUE)
    assert await missing() == ["LOGIN"]
    assert await missing(app.other_key) == ["LOGIN", "TOKEN"]
    elsewhere = type(app.services.secrets)(app.storage, Sealer(b"another" * 5))
    assert (await elsewhere.read(app.owner, worker.id)).missing == ("LOGIN", "TOKEN")
