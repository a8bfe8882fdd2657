from __future__ import annotations

from crawler import frontier
from crawler.frontier import PAGE, ROBOTS, SITEMAP, Frontier, Job

A, B = "http://a/", "http://b/"


def job(url: str, kind: str = PAGE) -> Job:
    return Job(kind, url)


def test_each_site_has_its_pause_and_its_turn() -> None:
    waiting = Frontier(delay=2.0)
    for url in (A + "1", A + "2", B + "1"):
        waiting.put(job(url))
    assert [found.url for found in (waiting.take(0), waiting.take(0)) if found] == [
        A + "1",
        B + "1",
    ]
    assert waiting.take(1.9) is None
    assert waiting.wake_at(0.5) == 2.0
    assert waiting.take(2.0) == job(A + "2")
    assert waiting.wake_at(2.0) is None


def test_pages_wait_for_robots_and_keep_its_delay() -> None:
    waiting = Frontier(delay=0.0)
    waiting.hold(A)
    waiting.put(job(A + "1"))
    waiting.put(job(A + "2"))
    waiting.put(job(A + "robots.txt", ROBOTS))
    assert waiting.take(0) == job(A + "robots.txt", ROBOTS)
    assert waiting.take(0) is None and waiting.wake_at(0) is None
    waiting.release(A, 3.0)
    assert waiting.take(0) == job(A + "1")
    assert waiting.take(2.9) is None
    assert waiting.waiting() == 1


def test_without_room_for_pages_sitemaps_still_come() -> None:
    waiting = Frontier(delay=0.0)
    waiting.put(job(A + "1"))
    assert waiting.take(0, pages=False) is None
    assert waiting.wake_at(0, pages=False) is None
    waiting.put(job(A + "map", SITEMAP))
    assert waiting.take(0, pages=False) == job(A + "map", SITEMAP)


def test_retries_come_first_when_their_time_has_come() -> None:
    waiting = Frontier(delay=0.0)
    waiting.put(job(A + "2"))
    waiting.put_later(job(A + "1").again(), 5.0)
    waiting.calm(A, 5.0)
    assert waiting.take(4.9) is None
    assert waiting.wake_at(1.0) == 5.0
    assert waiting.take(5.0) == Job(PAGE, A + "1", attempt=2)
    assert waiting.take(5.0) == job(A + "2")


def test_every_page_is_claimed_once() -> None:
    waiting = Frontier(delay=0.0)
    assert waiting.claim(A)
    assert not waiting.claim(A)
    assert waiting.beyond == 0


def test_memory_is_bounded() -> None:
    waiting = Frontier(delay=0.0)
    claimed = sum(waiting.claim(str(number)) for number in range(frontier.MAX_KNOWN + 10))
    assert claimed == frontier.MAX_KNOWN
    assert waiting.beyond == 10


def test_a_redirect_keeps_where_it_began() -> None:
    first = Job(PAGE, A, depth=2, attempt=3)
    second = first.at(B).at(B + "x")
    assert (second.requested, second.url, second.hops, second.attempt) == (A, B + "x", 2, 1)
    assert second.depth == 2
