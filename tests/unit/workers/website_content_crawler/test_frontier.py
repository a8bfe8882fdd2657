"""The queue of crawl jobs. The tests pass the time in."""

from __future__ import annotations

from crawler import frontier
from crawler.frontier import PAGE, ROBOTS, SITEMAP, Frontier, Job

A, B = "http://a/", "http://b/"


def job(url: str, kind: str = PAGE) -> Job:
    return Job(kind, url)


def test_sites_take_turns_and_each_has_its_own_delay() -> None:
    queue = Frontier(delay=2.0)
    for url in (A + "1", A + "2", B + "1"):
        queue.put(job(url))
    assert [next_job.url for next_job in (queue.take(0), queue.take(0)) if next_job] == [
        A + "1",
        B + "1",
    ]
    assert queue.take(1.9) is None
    assert queue.wake_at(0.5) == 2.0
    assert queue.take(2.0) == job(A + "2")
    assert queue.wake_at(2.0) is None


def test_pages_wait_for_robots_txt_and_then_for_its_delay() -> None:
    queue = Frontier(delay=0.0)
    queue.pause_pages(A)
    queue.put(job(A + "1"))
    queue.put(job(A + "2"))
    queue.put(job(A + "robots.txt", ROBOTS))
    assert queue.take(0) == job(A + "robots.txt", ROBOTS)
    assert queue.take(0) is None and queue.wake_at(0) is None
    queue.resume_pages(A, 3.0)
    assert queue.take(0) == job(A + "1")
    assert queue.take(2.9) is None
    assert queue.pages() == 1


def test_sitemaps_are_taken_even_while_pages_are_not() -> None:
    queue = Frontier(delay=0.0)
    queue.put(job(A + "1"))
    assert queue.take(0, pages=False) is None
    assert queue.wake_at(0, pages=False) is None
    queue.put(job(A + "map", SITEMAP))
    assert queue.take(0, pages=False) == job(A + "map", SITEMAP)


def test_a_retry_that_is_due_is_taken_first() -> None:
    queue = Frontier(delay=0.0)
    queue.put(job(A + "2"))
    queue.put_later(job(A + "1").retry(), 5.0)
    queue.pause_site(A, 5.0)
    assert queue.take(4.9) is None
    assert queue.wake_at(1.0) == 5.0
    assert queue.take(5.0) == Job(PAGE, A + "1", attempt=2)
    assert queue.take(5.0) == job(A + "2")


def test_every_page_is_claimed_once() -> None:
    queue = Frontier(delay=0.0)
    assert queue.claim(A)
    assert not queue.claim(A)
    assert queue.dropped == 0


def test_the_number_of_claimed_pages_is_limited() -> None:
    queue = Frontier(delay=0.0)
    count = sum(queue.claim(str(number)) for number in range(frontier.MAX_CLAIMED + 10))
    assert count == frontier.MAX_CLAIMED
    assert queue.dropped == 10


def test_pages_are_counted_in_all_queues() -> None:
    queue = Frontier(delay=0.0)
    for new in (job(A), job(A + "map", SITEMAP), job(A + "robots.txt", ROBOTS)):
        queue.put(new)
    queue.put(job(B + "rendered").in_browser())  # it has been fetched
    queue.put_later(job(B + "later"), 5.0)
    queue.put_later(job(B + "map", SITEMAP), 5.0)
    assert queue.pages() == 2


def test_a_redirected_job_keeps_the_first_url_and_the_depth() -> None:
    first = Job(PAGE, A, depth=2, attempt=3)
    second = first.redirected_to(B).redirected_to(B + "x")
    assert (second.requested, second.url, second.hops, second.attempt) == (A, B + "x", 2, 1)
    assert second.depth == 2
