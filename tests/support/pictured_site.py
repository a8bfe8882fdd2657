"""A site whose pages have all that a run can leave out: images, media, fonts, stylesheets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from support.javascript_site import FILES as ITEMS
from support.javascript_site import JavascriptSite, javascript_site

_SCRIPT = ITEMS["/"][1]
_HEAVY = b"""<link rel="stylesheet" href="/style.css"><img src="/%s.png" alt="">
<p style="font-family: drawn">text</p><video src="/%s.webm" preload="auto"></video>"""
_STYLE = b"""@font-face { font-family: drawn; src: url(/drawn.woff2); }
body { background: url(/background.png); }"""
_WORKER = b"""self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));
self.addEventListener("fetch", (event) => event.respondWith(fetch(event.request)));"""
_REGISTERING = b"""<script>
navigator.serviceWorker.register("/worker.js");
navigator.serviceWorker.addEventListener("controllerchange", () => document.title = "ready");
</script>"""


def _page(name: bytes) -> tuple[str, bytes]:
    return "text/html; charset=utf-8", b"<!doctype html><title>x</title>" + _HEAVY % (name, name)


FILES = {
    **ITEMS,
    "/": ("text/html; charset=utf-8", _SCRIPT + _HEAVY % (b"top", b"top")),
    "/frame": _page(b"frame"),
    "/popup": _page(b"popup"),
    "/registering": ("text/html; charset=utf-8", _REGISTERING),
    "/worker.js": ("text/javascript", _WORKER),
    "/style.css": ("text/css", _STYLE),
    "/drawn.woff2": ("font/woff2", bytes(3000)),
    **{
        f"/{name}.png": ("image/png", bytes(5000))
        for name in ("top", "frame", "popup", "background")
    },
    **{f"/{name}.webm": ("video/webm", bytes(7000)) for name in ("top", "frame", "popup")},
}


@contextmanager
def pictured_site() -> Iterator[JavascriptSite]:
    with javascript_site(FILES) as site:
        yield site
