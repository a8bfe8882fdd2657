"""The rules for the targets of an attempt."""

from __future__ import annotations

import asyncio
import threading
from ipaddress import IPv4Address, IPv6Address

import pytest

from fyke.egress.actions import ProxyRefusal
from fyke.egress.rules import MAX_OPEN_LOOKUPS, LookupRate, Target, TargetRefused, TargetRules
from fyke.kit.addresses import AddressRules
from fyke.kit.domains import Domains
from fyke.kit.hostports import Host
from fyke.kit.resolver import Resolver

pytestmark = pytest.mark.anyio

ANSWERS = {
    "public.example": ("8.8.8.8", "1.1.1.1", "1.0.0.1", "9.9.9.9", "8.8.4.4"),
    "inside.example": ("10.0.0.1",),
    "mixed.example": ("8.8.8.8", "169.254.169.254"),
}


def rules(
    *allow: str, rate_limit: LookupRate | None = None, domains: Domains | None = None
) -> TargetRules:
    resolver = Resolver(lambda name: ANSWERS.get(name, ()))
    return TargetRules(AddressRules(allow), resolver, rate_limit or LookupRate(), domains)


def refusal(error: pytest.ExceptionInfo[TargetRefused]) -> ProxyRefusal:
    return error.value.refusal


@pytest.mark.parametrize("port", [25, 465, 587])
def test_mail_ports_are_closed_unless_an_allow_entry_names_them(port: int) -> None:
    with pytest.raises(TargetRefused, match="mail"):
        rules().admit(Target("public.example", port))
    rules(f"public.example:{port}").admit(Target("public.example", port))
    rules(f"8.8.8.8:{port}").admit(Target(IPv4Address("8.8.8.8"), port))


@pytest.mark.parametrize(("host", "port"), [(b"a_b", 80), (b"127.1", 80), (b"a.example", 0)])
def test_malformed_targets_are_forbidden(host: bytes, port: int) -> None:
    with pytest.raises(TargetRefused) as error:
        rules().parse(host, port)
    assert refusal(error) is ProxyRefusal.FORBIDDEN
    assert "\n" not in error.value.reason


async def test_at_most_four_addresses_of_a_name_are_dialed() -> None:
    assert await rules().addresses(Target("public.example", 443)) == list(
        ANSWERS["public.example"][:4]
    )


@pytest.mark.parametrize("name", ["localhost", "x.localhost"])
async def test_names_of_the_own_machine_are_forbidden(name: str) -> None:
    with pytest.raises(TargetRefused) as error:
        await rules().addresses(Target(name, 80))
    assert refusal(error) is ProxyRefusal.FORBIDDEN


async def test_unknown_names_are_unresolvable() -> None:
    with pytest.raises(TargetRefused) as error:
        await rules().addresses(Target("none.example", 80))
    assert refusal(error) is ProxyRefusal.UNRESOLVABLE


async def test_only_the_first_lookup_of_a_name_counts_against_the_rate() -> None:
    target_rules = rules(rate_limit=LookupRate(rate=0.0, burst=1.0))
    await target_rules.addresses(Target("public.example", 80))
    await target_rules.addresses(Target("public.example", 80))
    with pytest.raises(TargetRefused, match="slow down"):
        await target_rules.addresses(Target("other.example", 80))


def test_the_lookup_rate_refills() -> None:
    rate_limit = LookupRate(rate=1e9, burst=2.0)
    assert all(rate_limit.admit() for _ in range(100))


def test_only_public_or_allowed_names_go_to_a_remote_resolver() -> None:
    target_rules = rules("intra:80")
    assert target_rules.remote_name(Target("a.example", 80)) == "a.example"
    assert target_rules.remote_name(target_rules.parse(b"8.8.8.8", 80)) is None
    assert target_rules.remote_name(Target("intra", 80)) == "intra"
    for name in ("intra", "localhost", "a.localhost", "db.internal", "nas.local", "x.home.arpa"):
        with pytest.raises(TargetRefused, match="local name"):
            target_rules.remote_name(Target(name, 81))


@pytest.mark.parametrize("port", [0, 65536, -1])
def test_a_port_out_of_range_is_forbidden(port: int) -> None:
    with pytest.raises(TargetRefused) as error:
        rules().parse(b"a.example", port)
    assert error.value.reason == "the port must be from 1 to 65535"
    assert refusal(error) is ProxyRefusal.FORBIDDEN


@pytest.mark.parametrize(
    ("host", "parsed"),
    [
        (b"A.Example", "a.example"),
        (b"8.8.8.8", IPv4Address("8.8.8.8")),
        (b"::ffff:8.8.8.8", IPv4Address("8.8.8.8")),
        (b"2606:4700::1", IPv6Address("2606:4700::1")),
    ],
)
@pytest.mark.parametrize("port", [1, 443, 65535])
def test_a_target_is_parsed(host: bytes, port: int, parsed: Host) -> None:
    assert rules().parse(host, port) == Target(parsed, port)


def test_the_refusal_of_a_host_states_the_rule() -> None:
    with pytest.raises(TargetRefused, match="four decimal numbers"):
        rules().parse(b"127.1", 80)


def test_a_mail_port_is_forbidden() -> None:
    with pytest.raises(TargetRefused) as error:
        rules().admit(Target("public.example", 25))
    assert error.value.reason == "port 25 is a mail port and blocked; FYKE_EGRESS_ALLOW can open it"
    assert refusal(error) is ProxyRefusal.FORBIDDEN


def test_only_declared_domains_are_admitted() -> None:
    declared = rules(domains=Domains(["a.example:443", "8.8.8.8"]))
    declared.admit(Target("a.example", 443))
    declared.admit(Target("www.a.example", 443))
    declared.admit(Target(IPv4Address("8.8.8.8"), 80))
    for target in (Target("a.example", 80), Target("b.example", 443)):
        with pytest.raises(TargetRefused) as error:
            declared.admit(target)
        assert error.value.reason == (
            f"{target.host} port {target.port} is not among the domains that this version declares"
        )
        assert refusal(error) is ProxyRefusal.FORBIDDEN
    rules().admit(Target("b.example", 80))


async def test_the_refusal_of_an_internal_address_names_the_setting() -> None:
    with pytest.raises(TargetRefused) as error:
        await rules().addresses(Target("inside.example", 80))
    assert error.value.reason == (
        "inside.example port 80: the name does not exist or has no address on the public "
        "internet; FYKE_EGRESS_ALLOW can exempt an internal one"
    )
    assert await rules("inside.example:80").addresses(Target("inside.example", 80)) == ["10.0.0.1"]


async def test_a_name_that_leads_inside_is_refused_like_one_that_does_not_exist() -> None:
    said = []
    for name in ("none.example", "inside.example", "mixed.example"):
        with pytest.raises(TargetRefused) as error:
            await rules().addresses(Target(name, 80))
        assert refusal(error) is ProxyRefusal.UNRESOLVABLE
        said.append(error.value.reason.removeprefix(name))
    assert len(set(said)) == 1


async def test_a_lookup_beyond_the_rate_is_unresolvable() -> None:
    with pytest.raises(TargetRefused) as error:
        await rules(rate_limit=LookupRate(rate=0.0, burst=0.0)).addresses(
            Target("public.example", 80)
        )
    assert error.value.reason == "too many name lookups; slow down"
    assert refusal(error) is ProxyRefusal.UNRESOLVABLE


async def test_concurrent_lookups_of_an_attempt_are_limited() -> None:
    lock, all_open = threading.Lock(), threading.Barrier(MAX_OPEN_LOOKUPS, timeout=10)
    open_now = maximum = 0

    def lookup(name: str) -> tuple[str, ...]:
        nonlocal open_now, maximum
        with lock:
            open_now += 1
            maximum = max(maximum, open_now)
        all_open.wait()
        with lock:
            open_now -= 1
        return ("8.8.8.8",)

    resolver = Resolver(lookup)
    attempt = TargetRules(AddressRules(), resolver, LookupRate())
    names = [Target(f"n{n}.example", 80) for n in range(3 * MAX_OPEN_LOOKUPS)]
    await asyncio.gather(*(attempt.addresses(name) for name in names))
    resolver.close()
    assert maximum == MAX_OPEN_LOOKUPS


async def test_names_without_an_answer_do_not_delay_another_attempt() -> None:
    answered = threading.Event()

    def lookup(name: str) -> tuple[str, ...]:
        if name != "quick.example":
            answered.wait(30)
        return ("8.8.8.8",)

    resolver = Resolver(lookup, threads=MAX_OPEN_LOOKUPS + 1, timeout=5)
    one, other = (TargetRules(AddressRules(), resolver, LookupRate()) for _ in range(2))
    names = [Target(f"n{n}.example", 80) for n in range(3 * MAX_OPEN_LOOKUPS)]
    waiting = [asyncio.ensure_future(one.addresses(name)) for name in names]
    await asyncio.sleep(0)  # each of them is being resolved or queued
    try:
        assert await other.addresses(Target("quick.example", 80)) == ["8.8.8.8"]
    finally:
        answered.set()
        await asyncio.gather(*waiting)
        resolver.close()


def test_a_local_name_is_forbidden() -> None:
    with pytest.raises(TargetRefused) as error:
        rules().remote_name(Target("db.internal", 80))
    assert error.value.reason == "db.internal is a local name; FYKE_EGRESS_ALLOW can open it"
    assert refusal(error) is ProxyRefusal.FORBIDDEN


def test_a_burst_of_lookups_is_admitted_and_then_the_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("fyke.egress.rules.time.monotonic", lambda: now)
    rate_limit = LookupRate()
    assert [rate_limit.admit() for _ in range(101)] == [True] * 100 + [False]
    now += 1
    assert [rate_limit.admit() for _ in range(21)] == [True] * 20 + [False]
    now += 3600
    assert sum(rate_limit.admit() for _ in range(200)) == 100
