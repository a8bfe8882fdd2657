"""A copy of the practice site for the Workers of ``examples/recipes``, behind two SOCKS5 proxies
that answer for every site: lists of quotes in three ways, pages of authors, a login, and refusals.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from threading import Lock
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

from support.practice_site import SocksHandler, serve_site

USER, PASSWORD = "reader-7", "sesame street"
PAGES = 3
QUOTES: list[dict[str, Any]] = [  # four on a page
    {"text": f"“Number {n}”", "author": {"name": f"Author {n % 5}"}, "tags": ["all"]}
    for n in range(4 * PAGES)
]
AUTHORS = {f"/author/Author-{n}/": f"Author {n}" for n in range(5)}
BORN = "March 14, 1879"
_SCROLL = """<div id="quotes"></div><script>
let number = 0, more = true, loading = false;
async function load() {
  if (!more || loading) return;
  loading = true;
  const answer = await (await fetch(`/api/quotes?page=${number += 1}`)).json();
  more = answer.has_next;
  for (const quote of answer.quotes) {
    quotes.insertAdjacentHTML("beforeend", `<div class="quote" style="height: 90vh">
      <span class="text">${quote.text}</span>
      <small class="author">${quote.author.name}</small></div>`);
  }
  loading = false;
}
addEventListener("scroll", load);
load();
</script>"""


@dataclass
class RecipeSite:
    """``visits`` has the cookie ``visitor``, the path and the port of the proxy of each request.
    The first ``refusals`` visitors get 403 until the end.
    """

    ports: tuple[int, ...] = ()
    refusals: int = 0
    visits: list[tuple[str, str, int]] = field(default_factory=list)
    visitors: list[str] = field(default_factory=list)
    sessions: set[str] = field(default_factory=set)
    token: str = field(default_factory=lambda: secrets.token_hex(8))
    lock: Lock = field(default_factory=Lock)

    @property
    def upstreams(self) -> list[str]:
        return [f"socks5h://127.0.0.1:{port}" for port in self.ports]

    def forget(self, refusals: int = 0) -> None:
        self.refusals = refusals
        self.visits.clear()
        self.visitors.clear()


def _page(path: str, signed_in: bool) -> str | None:
    """The HTML at a path; None where nothing is."""
    if path in AUTHORS:
        name = AUTHORS[path]
        return f'<h3 class="author-title">{name}\n</h3><span class="author-born-date">{BORN}</span>'
    if path == "/scroll":
        return _SCROLL
    number = path.strip("/").removeprefix("page/") or "1"
    if not number.isdecimal():
        return None
    listed = QUOTES[4 * int(number) - 4 : 4 * int(number)]
    if not listed:
        return "No quotes found!"
    body = "".join(_quote(quote, signed_in) for quote in listed)
    if int(number) < PAGES:
        body += f'<li class="next"><a href="/page/{int(number) + 1}/">Next</a></li>'
    return body


def _quote(quote: dict[str, Any], signed_in: bool) -> str:
    author = quote["author"]["name"]
    name = author.replace(" ", "-")
    more = f'<a href="http://goodreads.com/author/{name}">(Goodreads page)</a>' if signed_in else ""
    return f"""<div class="quote"><span class="text">{quote["text"]}</span>
    <span>by <small class="author">{author}</small>
    <a href="/author/{name}/">(about)</a>{more}</span></div>"""


class _Handler(SocksHandler):
    site: ClassVar[RecipeSite]

    def do_GET(self) -> None:
        if self._is_refused():
            return self._answer(403, "<h1>Forbidden</h1>")
        url = urlsplit(self.path)
        if url.path == "/api/quotes":
            number = int(parse_qs(url.query)["page"][0])
            listed = QUOTES[4 * number - 4 : 4 * number]
            answer = {"has_next": number < PAGES, "page": number, "quotes": listed}
            return self._answer(200, json.dumps(answer), "application/json")
        if url.path == "/login":
            token = f'<input type="hidden" name="csrf_token" value="{self.site.token}">'
            return self._answer(200, f'<form method="post">{token}</form>')
        content = _page(url.path, self._signed_in())
        if content is None:
            return self._answer(404, "not found")
        link = "logout" if self._signed_in() else "login"
        return self._answer(200, f'<a href="/{link}">{link}</a>{content}')

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        given = {name: values[0] for name, values in parse_qs(body).items()}
        wanted = {"csrf_token": self.site.token, "username": USER, "password": PASSWORD}
        if self._is_refused() or given != wanted:
            return self._answer(200, "<p>Error while logging in</p>")
        session = secrets.token_hex(8)
        self.site.sessions.add(session)
        self._cookies.append(f"session={session}; Path=/")
        return self._answer(302, "", location="/")

    def _is_refused(self) -> bool:
        """Note the visit; a new visitor gets a cookie."""
        self._cookies: list[str] = []
        self._given = SimpleCookie(self.headers.get("Cookie", ""))
        known = self._given.get("visitor")
        with self.site.lock:
            if known is None:
                visitor = f"visitor{len(self.site.visitors)}"
                self.site.visitors.append(visitor)
                self._cookies.append(f"visitor={visitor}; Path=/")
            else:
                visitor = known.value
            self.site.visits.append((visitor, self.path, self.server.server_address[1]))
            return visitor in self.site.visitors[: self.site.refusals]

    def _signed_in(self) -> bool:
        session = self._given.get("session")
        return session is not None and session.value in self.site.sessions

    def _answer(self, status: int, text: str, kind: str = "text/html", location: str = "") -> None:
        content = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        for cookie in self._cookies:
            self.send_header("Set-Cookie", cookie)
        if location:
            self.send_header("Location", location)
        self.end_headers()
        self.wfile.write(content)


@contextmanager
def recipe_site() -> Iterator[RecipeSite]:
    """Serve it on loopback while the context is open."""

    class Handler(_Handler):
        site = RecipeSite()

    with serve_site(Handler) as first, serve_site(Handler) as second:
        Handler.site.ports = (first, second)
        yield Handler.site
