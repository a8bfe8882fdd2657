"""The answers of sites to a browser, of which a hostile one may name as many as it likes."""

from __future__ import annotations

import msgspec
import pytest

from fyke.browser.site_answers import MAX_BYTES, SiteAnswers, host_of
from fyke.model.browser import OTHER_HOSTS
from fyke.model.statuses import MAX_STATUSES, OTHER_STATUS


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://www.Example.com/a?b", "www.example.com"),
        ("http://user:word@a.example:8080/", "a.example"),
        ("https://[2001:DB8::1]:444/", "2001:db8::1"),
        ("https://bücher.example/", "xn--bcher-kva.example"),
        ("wss://10.0.0.1/", "10.0.0.1"),
        ("https://[broken/", OTHER_HOSTS),
        ("https://a_b\x01.example/", OTHER_HOSTS),
        ("https:///x", OTHER_HOSTS),
        ("https://" + "x." * 5000, OTHER_HOSTS),
    ],
)
def test_hosts_are_named_as_the_proxy_names_them(url: str, host: str) -> None:
    assert host_of(url) == host


def test_nothing_is_lost_and_the_report_stays_small() -> None:
    answers = SiteAnswers()
    for number in range(3000):
        answers.add(f"{number % 700}.example", 100 + number % 500)
    found = answers.read()
    assert sum(sum(counts.values()) for counts in found.values()) == 3000
    assert len(found) > 100
    assert found[OTHER_HOSTS]
    assert all(len(counts) <= MAX_STATUSES + 1 for counts in found.values())
    assert len(msgspec.json.encode(found)) < MAX_BYTES * 1.5


def test_statuses_that_http_does_not_have_do_not_count() -> None:
    answers = SiteAnswers()
    for status in (0, -1, 99, 600, 10**9):
        answers.add("a.example", status)
    assert answers.read() == {}


def test_many_statuses_of_a_site_are_counted_together() -> None:
    answers = SiteAnswers()
    for status in range(200, 200 + MAX_STATUSES + 5):
        answers.add("a.example", status)
    [counts] = answers.read().values()
    assert counts[OTHER_STATUS] == 5
    assert len(counts) == MAX_STATUSES + 1
