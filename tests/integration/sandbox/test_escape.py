"""Tries every known escape from inside a sandbox, with canaries on the machine."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import select
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fyke.kit.ids import new_ulid
from fyke.model.worker import Language
from fyke.sandbox.isolation import syscalls
from fyke.sandbox.process import processes
from integration.sandbox.sandboxes import MIB, SPAWNERS, SandboxSetup, drain, line, sandbox_setup
from zoo.bundles import built

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.needs("bwrap"),
]

HERE = Path(__file__).parent
MIN_PROBES = {Language.PYTHON: 200, Language.NODE: 100, Language.GO: 150}


@pytest.fixture(params=SPAWNERS)
async def setup(request: pytest.FixtureRequest) -> AsyncIterator[SandboxSetup]:
    async with sandbox_setup(request.param) as setup:
        yield setup


def syscall_numbers() -> dict[str, int]:
    machine = platform.machine()
    return syscalls.allowed(machine) | syscalls.denied(machine) | syscalls.checked(machine)


@dataclass
class Canaries:
    """Targets of the machine for the probes, and whether they were reached."""

    targets: dict[str, Any]
    servers: list[socket.socket]
    file: Path

    def touched(self) -> int:
        """The number of servers that were contacted."""
        return len(select.select(self.servers, [], [], 0)[0])


@contextlib.contextmanager
def canaries(setup: SandboxSetup) -> Iterator[Canaries]:
    """A port on every address, a datagram port, an abstract socket, sockets with names like the
    platform's own, and two files: one for every user, one for its owner only.
    """
    with contextlib.ExitStack() as stack:
        tcp = stack.enter_context(socket.socket(socket.AF_INET6))
        tcp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        tcp.bind(("::", 0))
        udp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        udp.bind(("0.0.0.0", 0))
        abstract = stack.enter_context(socket.socket(socket.AF_UNIX))
        name = f"fyke-canary-{new_ulid()}"
        abstract.bind("\0" + name)
        streams = [tcp, abstract]
        datagrams = [udp]
        paths = []
        for word, kind in (
            ("egress.sock", socket.SOCK_STREAM),
            ("control.sock", socket.SOCK_SEQPACKET),
            ("doorbell.sock", socket.SOCK_DGRAM),
        ):
            at = setup.home / "run" / word
            listening = stack.enter_context(socket.socket(socket.AF_UNIX, kind))
            listening.bind(str(at))
            stack.callback(at.unlink)
            at.chmod(0o777)
            paths.append(str(at))
            (datagrams if kind == socket.SOCK_DGRAM else streams).append(listening)
        for server in streams:
            server.listen(8)
        file = setup.home / "canary.txt"
        file.write_text("seen")
        file.chmod(0o666)
        secret = setup.home / "secret.key"
        secret.write_text("not seen")
        secret.chmod(0o600)
        targets = {
            "port": tcp.getsockname()[1],
            "udp": udp.getsockname()[1],
            "abstract": name,
            "sockets": [*paths, str(setup.home / "run" / "launcher.sock")],
            "pid": os.getpid(),
            "paths": [str(file), str(secret), str(setup.home), str(setup.work)],
            "addresses": own_addresses(),
        }
        yield Canaries(targets, [*streams, *datagrams], file)
        assert file.read_text() == "seen"
        assert secret.read_text() == "not seen"


def own_addresses() -> list[str]:
    """The non-loopback addresses of this machine, if any; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        try:
            any_socket.connect(("192.0.2.1", 9))
        except OSError:
            return []
        return [any_socket.getsockname()[0]]


def probes(language: Language) -> dict[str, str | bytes]:
    """The probe program, as the files of a Worker."""
    if language is Language.PYTHON:
        return {"main.py": HERE.joinpath("probe.py").read_text()}
    if language is Language.NODE:
        return {"main.js": HERE.joinpath("probe.js").read_text()}
    return {"main": built(HERE / "probe_go")}


@pytest.mark.needs("{language}")
@pytest.mark.parametrize("language", MIN_PROBES)
async def test_no_worker_escapes_from_its_sandbox(setup: SandboxSetup, language: Language) -> None:
    with canaries(setup) as canary:
        sandbox = await setup.open(probes(language), language=language, memory=512 * MIB)
        variables = {
            "PROBE_TARGETS": json.dumps(canary.targets),
            "PROBE_CALLS": json.dumps(syscall_numbers()),
        }
        await sandbox.launch(variables)
        out, err = await drain(sandbox)
        assert out, err
        results = json.loads(out)
        assert len(results) >= MIN_PROBES[language]
        assert len({name for name, _, _ in results}) == len(results)
        escapes = [f"{name}: {met}" for name, met, refusals in results if met not in refusals]
        assert not escapes, "\n".join(escapes)
        assert canary.touched() == 0, "a canary was touched"


async def test_the_canaries_detect_access(setup: SandboxSetup) -> None:
    """Without this, the test above would prove nothing."""
    with canaries(setup) as canary:
        targets = canary.targets
        for address in ("127.0.0.1", *targets["addresses"]):
            socket.create_connection((address, targets["port"]), 5).close()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.sendto(b"x", ("127.0.0.1", targets["udp"]))
        kinds = (socket.SOCK_STREAM, socket.SOCK_STREAM, socket.SOCK_SEQPACKET, socket.SOCK_DGRAM)
        names = ("\0" + targets["abstract"], *targets["sockets"][:3])
        for name, kind in zip(names, kinds, strict=True):
            with socket.socket(socket.AF_UNIX, kind) as client:
                client.connect(name)
                if kind == socket.SOCK_DGRAM:
                    client.send(b"x")
        assert canary.touched() == len(canary.servers) == 6
        assert Path(targets["paths"][0]).read_text() == "seen"


async def test_sandboxes_do_not_see_each_other(setup: SandboxSetup) -> None:
    victim_code = """
import socket, time
s = socket.socket(); s.bind(("127.0.0.1", 4444)); s.listen()
a = socket.socket(socket.AF_UNIX); a.bind("\\0other-sandbox"); a.listen()
open("secret", "w").write("mine"); open("/tmp/secret", "w").write("mine")
import os; os.chmod("/work", 0o777)
print("up", flush=True)
time.sleep(600)
"""
    name = new_ulid()
    victim = await setup.open(victim_code, name=name)
    await victim.launch({})
    await line(victim)
    pids = processes.with_work_folders(frozenset({name}))[name]
    code = f"""
import os, signal, socket
def met(f):
    try: return f()
    except OSError as e: return type(e).__name__
print(met(lambda: socket.create_connection(("127.0.0.1", 4444), 3)))
print(met(lambda: socket.socket(socket.AF_UNIX).connect("\\0other-sandbox")))
print(os.path.exists("/work/secret"), os.path.exists("/tmp/secret"))
print(met(lambda: os.listdir({str(setup.work / name)!r})))
print([p for p in os.listdir("/proc") if p.isdigit()] == ["1", "2"])
for pid in {[pid for pid in pids if pid > 4]}:
    for step in (
        lambda: os.kill(pid, signal.SIGKILL), lambda: os.pidfd_open(pid),
        lambda: os.listdir(f"/proc/{{pid}}"), lambda: os.sched_getaffinity(pid),
    ):
        word = met(step)
        if word not in ("ProcessLookupError", "FileNotFoundError"): print(pid, word)
"""
    out, err, _ = await setup.run(code)
    assert out.split() == [
        *("ConnectionRefusedError", "ConnectionRefusedError", "False", "False"),
        *("FileNotFoundError", "True"),
    ], err
    assert len(pids) == 2
    if setup.launcher is not None:  # signals, keyrings and files are also separated by user
        owners = {os.stat(f"/proc/{pid}").st_uid for pid in pids}
        own_user = (await setup.open("import time; time.sleep(600)"))._spawned.user  # type: ignore[attr-defined]
        assert {own_user}.isdisjoint(owners)
