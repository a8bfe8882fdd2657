"""The addresses in the scope of a crawl."""

from __future__ import annotations

from crawler.scope import DOMAIN, HOST, PREFIX, Scope


def scope(stay_on: str, root: str, include: list[str] | None = None) -> Scope:
    crawl_scope = Scope(stay_on, include or [], ["*/no/*"])
    crawl_scope.add_root(root)
    return crawl_scope


def test_host_scope_is_one_host_and_port() -> None:
    crawl_scope = scope(HOST, "https://www.example.com/docs/")
    assert crawl_scope.allows("http://www.example.com/elsewhere")
    assert not crawl_scope.allows("https://example.com/docs/")
    assert not crawl_scope.allows("https://www.example.com:8443/")
    assert not crawl_scope.allows("https://www.example.com/no/entry")


def test_domain_scope_includes_subdomains() -> None:
    crawl_scope = scope(DOMAIN, "https://www.example.com/docs/")
    assert crawl_scope.allows("https://example.com:8443/")
    assert crawl_scope.allows("https://a.b.example.com/")
    assert not crawl_scope.allows("https://notexample.com/")
    assert scope(DOMAIN, "http://[::1]:80/").allows("http://[::1]:81/")


def test_prefix_scope_is_the_folder_of_the_start_url() -> None:
    crawl_scope = scope(PREFIX, "https://example.com/docs/start.html")
    assert crawl_scope.allows("https://example.com/docs/deep/page")
    assert not crawl_scope.allows("https://example.com/documents/")
    assert not crawl_scope.allows("https://other.com/docs/")


def test_include_patterns_restrict_the_scope() -> None:
    crawl_scope = scope(HOST, "https://example.com/", ["/blog/*"])
    assert crawl_scope.allows("https://example.com/blog/x")
    assert not crawl_scope.allows("https://example.com/shop")


def test_a_redirected_start_url_adds_its_prefix_on_the_other_host() -> None:
    crawl_scope = scope(PREFIX, "http://example.com/docs/")
    assert crawl_scope.move_root("http://example.com/docs/", "https://www.example.com/docs/en/")
    assert crawl_scope.allows("https://www.example.com/docs/de/")
    assert not crawl_scope.allows("https://www.example.com/shop/")
    assert not crawl_scope.move_root("http://example.com/docs/", "https://example.com/docs/en/")
