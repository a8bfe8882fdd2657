"""Which targets an attempt may reach."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from fyke.egress.actions import ProxyRefusal
from fyke.egress.rules import LookupPace, Target, TargetRefused, TargetRules
from fyke.kit.addresses import AddressRules
from fyke.kit.names import Resolver

pytestmark = pytest.mark.anyio

ANSWERS = {
    "public.example": ("8.8.8.8", "1.1.1.1", "1.0.0.1", "9.9.9.9", "8.8.4.4"),
    "inside.example": ("10.0.0.1",),
    "mixed.example": ("8.8.8.8", "169.254.169.254"),
}


def rules(*allow: str, pace: LookupPace | None = None) -> TargetRules:
    resolver = Resolver(lambda name: ANSWERS.get(name, ()))
    return TargetRules(AddressRules(allow), resolver, pace or LookupPace())


def refusal(error: pytest.ExceptionInfo[TargetRefused]) -> ProxyRefusal:
    return error.value.refusal


@pytest.mark.parametrize("port", [25, 465, 587])
def test_mail_ports_are_closed_unless_opened(port: int) -> None:
    with pytest.raises(TargetRefused, match="mail"):
        rules().admit(Target("public.example", port))
    rules(f"public.example:{port}").admit(Target("public.example", port))
    rules(f"8.8.8.8:{port}").admit(Target(IPv4Address("8.8.8.8"), port))


@pytest.mark.parametrize(("host", "port"), [(b"a_b", 80), (b"127.1", 80), (b"a.example", 0)])
def test_bad_forms_are_forbidden(host: bytes, port: int) -> None:
    with pytest.raises(TargetRefused) as error:
        rules().parse(host, port)
    assert refusal(error) is ProxyRefusal.FORBIDDEN
    assert "\n" not in error.value.reason


async def test_public_names_give_a_few_addresses() -> None:
    assert await rules().addresses(Target("public.example", 443)) == list(
        ANSWERS["public.example"][:4]
    )


@pytest.mark.parametrize("name", ["inside.example", "mixed.example", "localhost", "x.localhost"])
async def test_names_that_lead_inside(name: str) -> None:
    with pytest.raises(TargetRefused) as error:
        await rules().addresses(Target(name, 80))
    assert refusal(error) is ProxyRefusal.FORBIDDEN


async def test_unknown_names() -> None:
    with pytest.raises(TargetRefused) as error:
        await rules().addresses(Target("none.example", 80))
    assert refusal(error) is ProxyRefusal.UNRESOLVABLE


async def test_lookups_are_paced_but_not_repeats() -> None:
    judge = rules(pace=LookupPace(rate=0.0, burst=1.0))
    await judge.addresses(Target("public.example", 80))
    await judge.addresses(Target("public.example", 80))
    with pytest.raises(TargetRefused, match="slow down"):
        await judge.addresses(Target("other.example", 80))


def test_the_pace_refills() -> None:
    pace = LookupPace(rate=1e9, burst=2.0)
    assert all(pace.admit() for _ in range(100))


def test_names_for_a_remote_resolver() -> None:
    judge = rules("intra:80")
    assert judge.remote_name(Target("a.example", 80)) == "a.example"
    assert judge.remote_name(judge.parse(b"8.8.8.8", 80)) is None
    assert judge.remote_name(Target("intra", 80)) == "intra"
    for name in ("intra", "localhost", "a.localhost", "db.internal", "nas.local", "x.home.arpa"):
        with pytest.raises(TargetRefused, match="local name"):
            judge.remote_name(Target(name, 81))
