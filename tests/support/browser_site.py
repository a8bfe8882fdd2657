"""A site whose pages need a browser: their content is made by scripts."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

ROWS = [
    {"name": "First item", "price": 11},
    {"name": "Second item", "price": 22},
    {"name": "Third item", "price": 33},
]
# pushes ROWS from the page at the input's url, in a browser that it connects to with its arguments
ROWS_WORKER = '''
from devtools import Devtools
from sdk import CoreSDK

ITEMS = """new Promise((resolve, reject) => {
  setTimeout(reject, 10000);
  const read = () => {
    const items = [...document.querySelectorAll(".item")];
    if (!items.length) return setTimeout(read, 20);
    resolve(items.map((item) => ({name: item.textContent, price: +item.dataset.price})));
  };
  read();
})"""
given = CoreSDK.Parameter.get_input_json_dict()
browser = Devtools(**given["connect"])
page = browser.page(given["url"])
for row in browser.value(page, ITEMS):
    CoreSDK.Result.push_data(row)
'''
ITEMS = """
<!doctype html><title>Loading</title><main></main><script>
fetch("/items.json").then((answer) => answer.json()).then((rows) => {
  for (const row of rows) {
    const item = document.createElement("p");
    item.className = "item";
    item.textContent = row.name;
    item.dataset.price = row.price;
    document.querySelector("main").append(item);
  }
  document.title = `${rows.length} items`;
});
</script>
"""
FRAMES = '<!doctype html><title>Frames</title><iframe src="/items"></iframe>'
POPUP = '<!doctype html><title>Popup</title><script>window.open("/items")</script>'
DIALOG = "<!doctype html><title>Dialog</title><script>document.title = confirm('sure?')</script>"
ALERTS = "<!doctype html><title>Alerts</title><script>for (;;) alert(1)</script>"
BUSY = "<!doctype html><title>Busy</title><script>for (;;);</script>"
BOMB = """
<!doctype html><title>Bomb</title><script>
const kept = [];
for (;;) kept.push(new Array(1e6).fill(Math.random()));
</script>
"""
KEPT = "Cache-Control: public, max-age=600\r\n"
CACHED = "<!doctype html><title>cached</title><script src=/kept.js></script>"
PAGES = {
    "/cached": CACHED,
    "/items": ITEMS,
    "/frames": FRAMES,
    "/popup": POPUP,
    "/dialog": DIALOG,
    "/alerts": ALERTS,
    "/busy": BUSY,
    "/bomb": BOMB,
}


class BrowserSite:
    """``requests`` are the request lines in the order of arrival."""

    def __init__(self) -> None:
        self.port = 0
        self.requests: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            line = head.split("\r\n")[0]
            self.requests.append(line)
            await self._answer(line.split(" ")[1].partition("?")[0], writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # the client has closed the connection
        finally:
            writer.close()

    async def _answer(self, path: str, writer: asyncio.StreamWriter) -> None:
        if path in PAGES:
            _send(writer, "200 OK", "text/html; charset=utf-8", PAGES[path].encode())
        elif path == "/items.json":
            _send(writer, "200 OK", "application/json", json.dumps(ROWS).encode())
        elif path == "/kept.js":
            kept = b"document.title += ' ran'; //" + b"x" * 200_000
            _send(writer, "200 OK", "text/javascript", kept, KEPT)
        elif path == "/spinning.js":
            _send(writer, "200 OK", "text/javascript", b"for (;;);")
        elif path == "/download":
            saved = "Content-Disposition: attachment; filename=saved.bin\r\n"
            _send(writer, "200 OK", "application/octet-stream", b"\7" * 100_000, saved)
        elif path == "/redirects":
            _send(writer, "302 Found", "text/plain", b"", "Location: /redirects\r\n")
        elif path == "/many":
            _send(writer, "429 Too Many Requests", "text/plain", b"later", "Retry-After: 60\r\n")
        elif path == "/endless":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n\r\n")
            while True:
                writer.write(bytes(65536))
                await writer.drain()
        else:
            _send(writer, "404 Not Found", "text/plain", b"not here")
        await writer.drain()


def _send(
    writer: asyncio.StreamWriter, status: str, media_type: str, body: bytes, lines: str = ""
) -> None:
    writer.write(
        f"HTTP/1.1 {status}\r\nContent-Type: {media_type}\r\nContent-Length: {len(body)}\r\n"
        f"Connection: close\r\n{lines}\r\n".encode()
        + body
    )


@asynccontextmanager
async def browser_site(host: str = "127.0.0.1") -> AsyncIterator[BrowserSite]:
    site = BrowserSite()
    server = await asyncio.start_server(site.serve, host, 0)
    site.port = server.sockets[0].getsockname()[1]
    try:
        yield site
    finally:
        server.close()


@contextmanager
def site_in_thread() -> Iterator[BrowserSite]:
    """The same for tests without a loop of their own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    serving = browser_site()
    site = asyncio.run_coroutine_threadsafe(serving.__aenter__(), loop).result(30)
    try:
        yield site
    finally:
        asyncio.run_coroutine_threadsafe(serving.__aexit__(None, None, None), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
