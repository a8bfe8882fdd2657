"""When a lease expires: by checks of this process, not by a shared clock."""

from __future__ import annotations

from fyke.domain.runs.leases import MAX_GAP_SECONDS, LeaseWatch

TERM = 15.0


class Checks:
    """A watch that checks every two seconds; a check takes no time."""

    def __init__(self) -> None:
        self.watch, self.at = LeaseWatch(TERM), 0.0

    def check(
        self, leases: dict[str, int], *, after: float = 2.0, seconds: float = 0.0
    ) -> list[str]:
        self.at += after
        started = self.at
        self.at += seconds
        return sorted(self.watch.expired(leases, started, self.at))

    def until_expired(self, leases: dict[str, int]) -> float:
        """Check until a lease has expired; return how long that took."""
        started = self.at
        while not self.check(leases):
            assert self.at - started < 10 * TERM
        return self.at - started


def test_a_lease_that_is_not_renewed_expires_after_one_term() -> None:
    checks = Checks()
    checks.check({"a": 100})
    assert TERM <= checks.until_expired({"a": 100}) <= TERM + 2


def test_a_renewed_lease_does_not_expire_whatever_the_clock_says() -> None:
    checks = Checks()
    for until in (100, 5_000_000, 40, 41, 7, 8, 9, 10, 9, 8, 7, 6):
        assert checks.check({"a": until}) == []


def test_only_the_lease_that_is_not_renewed_expires() -> None:
    checks = Checks()
    expired = [checks.check({"lost": 1, "kept": n, f"new {n}": 1}) for n in range(9)]
    assert expired == [[]] * 8 + [["lost"]]


def test_after_a_gap_every_lease_gets_a_full_new_term() -> None:
    for gap, seconds in ((MAX_GAP_SECONDS + 0.1, 0.0), (2.0, 40.0), (3600.0, 0.0)):
        checks = Checks()
        for _ in range(7):
            assert checks.check({"a": 100}) == []
        assert checks.check({"a": 100}, after=gap, seconds=seconds) == []
        assert TERM <= checks.until_expired({"a": 100}) <= TERM + 2


def test_a_short_gap_does_not_prolong_a_lease() -> None:
    checks = Checks()
    checks.check({"a": 100})
    assert not any(checks.check({"a": 100}, after=MAX_GAP_SECONDS) for _ in range(2))
    assert checks.check({"a": 100}, after=MAX_GAP_SECONDS) == ["a"]


def test_the_time_of_a_slow_check_does_not_count() -> None:
    checks = Checks()
    checks.check({"a": 100}, seconds=4)
    for _ in range(3):
        assert checks.check({"a": 100}, after=1, seconds=4) == []
    # the last of these checks ended a term after the first, but what it read is older
    assert checks.check({"a": 100}, after=1) == ["a"]


def test_after_a_check_that_could_not_write_every_lease_gets_a_full_new_term() -> None:
    checks = Checks()
    for _ in range(7):
        assert checks.check({"a": 100, "b": 100}) == []
    checks.watch.restart()
    assert checks.check({"a": 100, "b": 100}) == []
    assert TERM <= checks.until_expired({"a": 100, "b": 100}) <= TERM + 2


def test_a_single_lease_can_get_a_full_new_term() -> None:
    checks = Checks()
    for _ in range(7):
        assert checks.check({"a": 100, "b": 100}) == []
    checks.watch.restart("a")
    checks.watch.restart("unknown")
    leases = {"a": 100, "b": 100}
    assert checks.check(leases) == []
    assert [checks.check(leases) for _ in range(7)] == [["b"]] * 7
    assert checks.check(leases) == ["a", "b"]
