"""A site in a separate network whose page moves bytes in both directions, also with TLS.

    python -m support.captured_site ADDRESS PORT TLS_PORT FOLDER

The folder has ``site.pem`` and ``site.key``. Starts and ends as ``support.captured_origin``, and
prints the number of connections.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from support.authority import server_context
from support.captured_origin import serve_when_connected

SIZES = (0, 1, 100, 1_400, 16_384, 65_536, 65_537, 300_000)
PAGE = """<!doctype html><title>loading</title><script>
(async () => {
  const sites = ["", "https://ADDRESS:TLS_PORT"];
  const answers = sites.flatMap((site) => [
    ...SIZES.map((size) => fetch(`${site}/bytes/${size}`)),
    ...SIZES.map((size) => fetch(`${site}/bytes/7`, {
      method: "POST", headers: {"Content-Type": "text/plain"}, body: new Uint8Array(size)})),
  ]);
  let read = 0;
  for (const answer of await Promise.all(answers))
    read += (await answer.arrayBuffer()).byteLength;
  document.title = `read ${read}`;
})();
</script>"""


def page(address: str, tls_port: int) -> bytes:
    text = PAGE.replace("ADDRESS", address).replace("TLS_PORT", str(tls_port))
    return text.replace("SIZES", str(list(SIZES))).encode()


class PageServer:
    """Serves the page, ``/bytes/SIZE``, and reads what is sent."""

    def __init__(self, content: bytes) -> None:
        self.connections = 0
        self._content = content

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]
            await reader.readexactly(int(length or 0))
            path = head.split(b" ")[1]
            size = path.removeprefix(b"/bytes/")
            body = bytes(int(size)) if size.isdigit() else self._content
            writer.write(
                f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {len(body)}\r\n"
                "Access-Control-Allow-Origin: *\r\nConnection: close\r\n\r\n".encode()
                + body
            )
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


async def main() -> None:
    address, port, tls_port, folder = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    server = PageServer(page(address, tls_port))
    tls = server_context(Path(folder))
    await serve_when_connected(server.serve, (address, port, None), (address, tls_port, tls))
    print(server.connections)


if __name__ == "__main__":
    asyncio.run(main())
