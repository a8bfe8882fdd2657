"""Trials in a closed network, where every address leads to this process: what a browser reaches
through its proxy, and what its own network has seen.

The outside is a site at public addresses. A connection to any other address is an escape.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import socket
import ssl
import struct
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from fyke.contracts.egress import EgressGrant
from fyke.egress.limits import ProxyLimits
from fyke.egress.local import LocalEgress
from fyke.kit.resolver import Resolver
from integration.browser.browsers import HOST, OpenBrowser, browser_setup, open_page, pid_of
from integration.sandbox.test_packets import Network
from support.authority import make_certificate
from support.cdp import Cdp, CdpError
from support.closed_network import NAMES_AT, OWN
from support.egress import ATTEMPT, SECRET, listener, until
from support.internal_addresses import METADATA, NAMES, OUTSIDE, PUBLIC, all_encodings
from support.name_server import A, NameServer, of_kind

PAGE = (Path(__file__).parent / "escape_page.js").read_text()
PORTS = (80, 1080, 3478, 8000)
TLS_PORT = 8443
UDP_PORTS = (80, 443, 1080, 3478, 8000, TLS_PORT)
QUICK = ProxyLimits(lookups_per_second=1e9, lookup_burst=1e9)
PROXY_PORT = 1080
FLIPS = ".flip.example"
SITE = f"http://{OUTSIDE}:8000"
SECURE_SITE = f"https://{OUTSIDE}:{TLS_PORT}"
SECONDS = 500
# alternative services: at the same host, inside, and by a name that leads inside
SERVICES = 'h3=":443", h3="127.0.0.1:443", h2="10.0.0.1:8443", h3="inside.example:443"; ma=86400'
SERVICE_WORKER = """
addEventListener("install", () => skipWaiting());
addEventListener("activate", (event) => event.waitUntil(clients.claim()));
addEventListener("message", async (event) => {
  let tried = 0;
  for (const place of event.data)
    for (const scheme of ["http", "https"])
      try {
        await fetch(`${scheme}://${place}/service`, { mode: "no-cors" }).catch(() => 0);
        tried += 1;
      } catch {}
  event.source.postMessage(tried);
});
addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  if (url.pathname === "/through")
    event.respondWith(fetch(`http://${url.search.slice(1)}/through`, { mode: "no-cors" }));
});
"""
AGAIN = """
(async () => {
  for (let n = 0; n < 6; n++) await soon(fetch(`/again${n}`, { cache: "no-store" }));
})()
"""
# what is inside, in the forms that Chromium does not turn into others
INSIDE = ("127.0.0.1", "localhost", "[::1]", "10.0.0.1", "0.0.0.0", "169.254.169.254",
          "[fd00::1]", "[::ffff:7f00:1]", OWN[0], f"[{OWN[1]}]", "inside.example",
          "mixed.example", "metadata.google.internal", "a.localhost")  # fmt: skip
ARGUMENTS = (
    "--proxy-server=direct://",
    "--no-proxy-server",
    "--proxy-bypass-list=*",
    "--proxy-pac-url=data:,function FindProxyForURL(url, host) { return 'DIRECT' }",
    "--proxy-auto-detect",
    "--host-resolver-rules=MAP * 10.0.0.1",
    "--host-rules=MAP * 10.0.0.1:8000",
    "--dns-over-https-templates=https://10.0.0.1/dns-query",
    "--dns-over-https-mode=secure",
    "--enable-features=DnsOverHttps,AsyncDns,PreconnectToSearch,UseDnsHttpsSvcb",
    "--disable-features=SkipListAccountsWithoutGaiaCookies",
    "--force-webrtc-ip-handling-policy=default",
    "--webrtc-ip-handling-policy=default",
    "--enable-quic",
    f"--origin-to-force-quic-on={OUTSIDE}:{TLS_PORT}",
    "--webtransport-developer-mode",
    "--disable-web-security",
    "--ignore-certificate-errors",
    "--remote-allow-origins=*",
    "--no-sandbox",
    "--enable-network-information-downlink-max",
)


class OutsideSite:
    """Listens on some ports of every address. ``dialled`` has the address of each connection;
    ``datagrams`` those that arrived.
    """

    def __init__(self, folder: Path) -> None:
        self.dialled: list[str] = []
        self.lines: list[str] = []
        self.datagrams: list[str] = []
        self._folder = folder
        self._servers: list[asyncio.Server] = []
        self._sockets: list[socket.socket] = []

    async def start(self) -> None:
        certificate, key = self._folder / "site.pem", self._folder / "site.key"
        make_certificate(certificate, key, [OUTSIDE])
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        for port in (*PORTS, TLS_PORT):
            sock = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
            tls = context if port == TLS_PORT else None
            self._servers.append(await asyncio.start_server(self._serve, sock=sock, ssl=tls))
        for port in UDP_PORTS:
            sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            sock.bind(("::", port))
            sock.setblocking(False)
            self._sockets.append(sock)
            asyncio.get_running_loop().add_reader(sock, self._arrived, sock, port)

    def close(self) -> None:
        for server in self._servers:
            server.close()
        for sock in self._sockets:
            asyncio.get_running_loop().remove_reader(sock)
            sock.close()

    @property
    def inside(self) -> list[str]:
        """The dialled addresses inside. Octal forms may be public ones: 010.0.0.1 is 8.0.0.1."""
        return [
            address
            for address in self.dialled
            if address in (*OWN, *METADATA) or not ip_address(address).is_global
        ]

    def _arrived(self, sock: socket.socket, port: int) -> None:
        data, sender = sock.recvfrom(65536)
        self.datagrams.append(f"port {port} from {sender[0]}: {data[:40].hex()}")

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.dialled.append(writer.get_extra_info("sockname")[0].removeprefix("::ffff:"))
        try:
            async with asyncio.timeout(5):
                head = await reader.readuntil(b"\r\n\r\n")
            line = head.split(b"\r\n")[0].decode("latin-1")
            self.lines.append(line)
            writer.write(_answer(line.split(" ")[1]))
            await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()


def _answer(target: str) -> bytes:
    path, _, query = target.partition("?")
    status, kind, body, more = "200 OK", "text/html", "<body></body>", ""
    if path == "/to":
        location = unquote(query).replace("\r", "").replace("\n", "")
        status, more = "302 Found", f"Location: {location}\r\n"
    elif path == "/service.js":
        kind, body = "text/javascript", SERVICE_WORKER
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
        f"Access-Control-Allow-Origin: *\r\nAlt-Svc: {SERVICES}\r\nConnection: close\r\n"
        f"{more}\r\n"
    )
    return head.encode("utf-8", "replace") + body.encode()


ETHERNET, TCP, SYN, ACK = 14, 6, 2, 16
FIRST_BYTES = 160
SO_RCVBUFFORCE, BUFFER = 33, 2**28


class SandboxCapture:
    """What the network of a sandbox sees. ``outside`` are packets on any interface but loopback.
    ``unexpected`` are packets on loopback, unless they belong to a TCP connection to one of
    ``ports``, to the proxy, or to what the gateway makes its connections with.
    """

    def __init__(self, found: OpenBrowser, *ports: int) -> None:
        network = found.client._network
        assert network is not None
        self.ports = {PROXY_PORT, network._address[1], *ports}
        self.outside: Counter[str] = Counter()
        self.unexpected: Counter[str] = Counter()
        self.packets = 0
        self._socket = Network(pid_of(found.name, HOST)).sniffer()
        self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
        asyncio.get_running_loop().add_reader(self._socket, self.read)

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()

    @contextmanager
    def allowing(self, *ports: int) -> Iterator[None]:
        """Expect connections on loopback to these ports too."""
        before = self.ports
        self.ports = before | {*ports}
        yield
        self.read()
        self.ports = before

    def read(self) -> None:
        """Take the packets that have come so far."""
        with suppress(BlockingIOError):
            while True:
                data, (interface, *_) = self._socket.recvfrom(FIRST_BYTES)
                self.packets += 1
                self._take(data, interface)

    def _take(self, data: bytes, interface: str) -> None:
        if interface != "lo":
            self.outside[f"{interface}: {data[:60].hex()}"] += 1
            return
        if data[12:14] != b"\x08\x00" or data[ETHERNET + 9] != TCP:
            self.unexpected[data[12:60].hex()] += 1
            return
        head = ETHERNET + (data[ETHERNET] & 15) * 4
        (port,) = struct.unpack_from(">H", data, head + 2)
        if data[head + 13] & (SYN | ACK) == SYN and port not in self.ports:
            self.unexpected[f"a connection to port {port}"] += 1


class Stage:
    """A browser behind the real proxy, in a network where nothing else is."""

    def __init__(
        self,
        program: str,
        site: OutsideSite,
        egress: LocalEgress,
        found: OpenBrowser,
        capture: SandboxCapture,
        cdp: Cdp,
    ) -> None:
        self.program = program
        self.site = site
        self.egress = egress
        self.found = found
        self.capture = capture
        self.cdp = cdp

    async def page(self, url: str = f"{SITE}/", cdp: Cdp | None = None) -> str:
        """A page of the site outside that knows all ways; its session."""
        chosen = cdp or self.cdp
        session = await open_page(chosen, url)
        await chosen.evaluate(session, f"{{{PAGE}}} 0")
        return session

    def result(self) -> dict[str, Any]:
        """What must be empty, and what shows that something was tried."""
        self.capture.read()
        traffic = self.egress.traffic(ATTEMPT)
        return {
            "inside": self.site.inside,
            "datagrams": list(self.site.datagrams),
            "outside": dict(self.capture.outside),
            "unexpected": dict(self.capture.unexpected),
            "packets": self.capture.packets,
            "connections": traffic.connections,
            "refused": traffic.refused,
        }


class RecordingNames:
    """A name server; ``asked`` are the names of its queries."""

    def __init__(self, answers: Callable[[str, int], tuple[str, ...] | None]) -> None:
        self.asked: Counter[str] = Counter()
        self._answers = answers
        self.server = NameServer(self._answer)

    def _answer(self, name: str, kind: int) -> tuple[str, ...] | None:
        self.asked[name] += 1
        return self._answers(name, kind)


def known(name: str, kind: int) -> tuple[str, ...] | None:
    addresses = NAMES.get(name)
    return None if addresses is None else of_kind(kind, addresses)


@asynccontextmanager
async def stage(
    folder: Path,
    program: str,
    *,
    domains: tuple[str, ...] | None = None,
    resolver: Resolver | None = None,
    trusts: bool = False,
) -> AsyncIterator[Stage]:
    """``trusts``: the browser takes the certificate of the site for a valid one."""
    async with browser_setup("launcher", program) as setup:
        program = setup.browsers.info().program.value
        site, own = OutsideSite(folder), listener()
        await site.start()
        egress = LocalEgress(limits=QUICK, resolver=resolver)
        await egress.open([own], EgressGrant(ATTEMPT, SECRET, "", domains=domains))
        found = await setup.open()
        await egress.add_listener(ATTEMPT, found.sandbox.proxy, passwordless=True)
        arguments = trusting(folder) if trusts else []
        started = await found.start(program=program, arguments=arguments)
        capture = SandboxCapture(found, started["port"])
        try:
            yield Stage(program, site, egress, found, capture, await found.connect(started))
        finally:
            capture.close()
            await found.close()
            await egress.stop()
            site.close()
            own.close()


def trusting(folder: Path) -> list[str]:
    """Arguments with which Chromium takes the certificate of the site for a valid one, and errors
    of others for none. Only a site with a valid one may name alternative services.
    """
    certificate = x509.load_pem_x509_certificate((folder / "site.pem").read_bytes())
    key = certificate.public_key()
    data = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    digest = base64.b64encode(hashlib.sha256(data).digest()).decode()
    return [f"--ignore-certificate-errors-spki-list={digest}", "--ignore-certificate-errors"]


@contextmanager
def counting(result: dict[str, Any], name: str, found: Stage) -> Iterator[None]:
    """Count what a part of a trial was refused."""
    before = found.egress.traffic(ATTEMPT).refused
    yield
    result[name] = found.egress.traffic(ATTEMPT).refused - before


async def encodings(folder: Path, program: str, step: int) -> dict[str, Any]:
    """Every ``step``-th encoding of an internal address, in the ways that pages have most."""
    names = RecordingNames(known)
    await names.server.start(NAMES_AT)
    hosts = all_encodings(OWN)[::step]
    places = [f"{host}:{PORTS[number % len(PORTS)]}" for number, host in enumerate(hosts)]
    async with stage(folder, program) as found:
        session = await found.page()
        before = found.egress.traffic(ATTEMPT).connections
        tried = await found.cdp.evaluate(session, f"tryAll({json.dumps(places)}, COMMON)", SECONDS)
        await asyncio.sleep(1)  # hints are followed later
        return found.result() | {"hosts": len(hosts), "tried": tried, "before": before}


async def ways(folder: Path, program: str, declared: bool) -> dict[str, Any]:
    """Every way to some internal addresses: of a page, of a service worker, of a client of the
    DevTools protocol, and with arguments of its own.
    """
    names = RecordingNames(known)
    await names.server.start(NAMES_AT)
    domains = (OUTSIDE,) if declared else None
    places = [f"{host}:{PORTS[number % len(PORTS)]}" for number, host in enumerate(INSIDE)]
    result: dict[str, Any] = {}
    async with stage(folder, program, domains=domains, trusts=True) as found:
        with counting(result, "page", found):
            session = await found.page()
            result["tried"] = await found.cdp.evaluate(
                session, f"tryAll({json.dumps(places)}, ALL)", SECONDS
            )
        with counting(result, "service worker", found):
            session = await found.page(f"{SECURE_SITE}/")
            result["in service worker"] = await found.cdp.evaluate(
                session, f"tryInServiceWorker({json.dumps(places)})", SECONDS
            )
            through = ", ".join(f"soon(fetch('/through?{place}'))" for place in places)
            await found.cdp.evaluate(session, f"Promise.all([{through}]).then(() => 0)", SECONDS)
            await found.cdp.evaluate(session, AGAIN, SECONDS)  # by an alternative service
        with counting(result, "client", found), found.capture.allowing(*PORTS):
            await by_client(found, places)  # also without the proxy, in a network without others
        with counting(result, "arguments", found):
            await by_arguments(found, places)
        await asyncio.sleep(1)
        return result | found.result() | {"asked": sorted(names.asked)}


async def by_client(found: Stage, places: Sequence[str]) -> None:
    """Commands that a client may send instead of a page; refused ones are fine."""
    cdp = found.cdp
    for server in (
        "direct://",
        "http://10.0.0.1:8000",
        "https://127.0.0.1:8443",
        "socks5://127.0.0.1:1080",
        "socks4://169.254.169.254:80",
        "quic://10.0.0.1:443",
    ):
        with suppress(CdpError):
            context = await cdp.call(
                "Target.createBrowserContext", proxyServer=server, proxyBypassList="*;<local>"
            )
            await visited(cdp, places[:4], context)
            # a page that is left would try again, when no connection is expected
            await cdp.call("Target.disposeBrowserContext", **context)
    await visited(cdp, [*places, f"{OUTSIDE}@{places[0]}"], {})
    session = await found.page()
    frame = (await cdp.call("Page.getFrameTree", session))["frameTree"]["frame"]["id"]
    for place in places:
        with suppress(CdpError):
            await cdp.call(
                "Network.loadNetworkResource",
                session,
                frameId=frame,
                url=f"http://{place}/resource",
                options={"disableCache": True, "includeCredentials": False},
            )
    await rewritten(cdp, session, places)
    await cdp.call("Network.enable", session)
    await cdp.call("Network.setExtraHTTPHeaders", session, headers={"Host": places[0]})
    await cdp.evaluate(session, "soon(fetch('/with-another-host')).then(() => 0)")
    for method, parameters in (
        ("Tethering.bind", {"port": 8000}),
        ("Page.navigate", {"url": f"ftp://{places[0]}/"}),
        ("Page.navigate", {"url": f"view-source:http://{places[0]}/"}),
    ):
        with suppress(CdpError):
            await cdp.call(method, session if method.startswith("Page") else "", **parameters)


async def visited(cdp: Cdp, places: Sequence[str], context: dict[str, Any]) -> None:
    for place in places:
        with suppress(CdpError):
            target = await cdp.call("Target.createTarget", url=f"http://{place}/target", **context)
            attached = await cdp.call(
                "Target.attachToTarget", targetId=target["targetId"], flatten=True
            )
            await cdp.call("Page.navigate", attached["sessionId"], url=f"http://{place}/visit")
            await cdp.call("Target.closeTarget", targetId=target["targetId"])


async def rewritten(cdp: Cdp, session: str, places: Sequence[str]) -> None:
    """Requests to the site outside that the client sends elsewhere, or answers with a redirect."""
    await cdp.call("Fetch.enable", session, patterns=[{"urlPattern": "*/rewritten*"}])
    for place in places:
        for redirect in (False, True):
            cdp.events.clear()
            code = "fetch('/rewritten', {mode: 'no-cors'}).catch(() => 0); 0"
            await cdp.evaluate(session, code)
            paused = (await cdp.event("Fetch.requestPaused"))["params"]["requestId"]
            url = f"http://{place}/rewritten"
            with suppress(CdpError):
                if redirect:
                    headers = [{"name": "Location", "value": url}]
                    await cdp.call(
                        "Fetch.fulfillRequest",
                        session,
                        requestId=paused,
                        responseCode=302,
                        responseHeaders=headers,
                    )
                else:
                    await cdp.call("Fetch.continueRequest", session, requestId=paused, url=url)
    await cdp.call("Fetch.disable", session)


async def by_arguments(found: Stage, places: Sequence[str]) -> None:
    """A Chromium that is launched with arguments that would lead around the proxy."""
    started = await found.found.start(1, program=found.program, arguments=list(ARGUMENTS))
    found.capture.ports.add(started["port"])
    cdp = await found.found.connect(started)
    session = await found.page(cdp=cdp)
    await cdp.evaluate(session, f"tryAll({json.dumps(list(places))}, ALL)", SECONDS)


async def rebinding(folder: Path, program: str, rounds: int) -> dict[str, Any]:
    """Names whose address is public at the first look-up and internal at the next."""
    lookups: Counter[str] = Counter()

    def flipping(name: str, kind: int) -> tuple[str, ...] | None:
        if not name.endswith(FLIPS):
            return known(name, kind)
        if kind != A:
            return ()
        lookups[name] += 1
        return (PUBLIC,) if lookups[name] % 2 else ("127.0.0.1",)

    names = RecordingNames(flipping)
    await names.server.start(NAMES_AT)
    resolver = Resolver(keep=0, keep_failure=0)
    async with stage(folder, program, resolver=resolver) as found:
        for number in range(rounds):
            session = await found.page(f"http://page{number}{FLIPS}:8000/")
            await found.cdp.evaluate(session, AGAIN, SECONDS)
        dialled = len(found.site.dialled)
        return found.result() | {"lookups": sum(lookups.values()), "dialled": dialled}


NATIVE = """
import json, socket, sys

hosts = json.load(sys.stdin)
statuses, dialled = {}, {}


def count(found, name):
    found[name] = found.get(name, 0) + 1


def asked(data):
    with socket.create_connection(("127.0.0.1", 1080), 5) as proxy:
        proxy.sendall(data)
        try:
            return proxy.recv(100)
        except OSError:
            return b""


for number, host in enumerate(hosts):
    port = (80, 1080, 3478, 8000)[number % 4]
    place = f"{host}:{port}".encode("utf-8", "surrogatepass")
    for data in (b"CONNECT " + place + b" HTTP/1.1\\r\\n\\r\\n",
                 b"GET http://" + place + b"/ HTTP/1.1\\r\\n\\r\\n"):
        answer = asked(data)
        count(statuses, answer[9:12].decode("latin-1") if answer else "closed")
    name = host.encode()[:255]
    request = b"\\x05\\x01\\x00\\x03" + bytes([len(name)]) + name + port.to_bytes(2, "big")
    answer = asked(b"\\x05\\x01\\x00" + request)
    count(statuses, "socks" if answer == b"\\x05\\xff" else "socks open")
    text = host.strip("[]").partition("%")[0]
    for family, kind in ((2, 1), (2, 2), (10, 1), (10, 2)):
        try:
            packed = socket.inet_pton(family, text)
        except (OSError, ValueError):
            continue
        own = packed[:1] == b"\\x7f" or packed in (bytes(4), bytes(15) + b"\\x01", bytes(16))
        if own or b"\\xff\\xff\\x7f" in packed:
            continue  # this network itself
        with socket.socket(family, kind) as probe:
            probe.settimeout(1)
            try:
                probe.connect((text, port))
                probe.send(b"x")
                count(dialled, "sent to " + text)
            except OSError as error:
                count(dialled, type(error).__name__ + " " + str(error.errno))
print(json.dumps([statuses, dialled]))
"""


async def native(folder: Path, program: str, step: int) -> dict[str, Any]:
    """What a process in the network of a browser reaches that speaks any bytes, without the
    filter of system calls.
    """
    names = RecordingNames(known)
    await names.server.start(NAMES_AT)
    hosts = [host for host in all_encodings(OWN)[::step] if host]
    hosts += [*METADATA, *OWN, "10.0.0.1", "224.0.0.251", "255.255.255.255", "ff02::fb", "8.8.8.8"]
    async with stage(folder, program) as found:
        pid = pid_of(found.found.name, HOST)
        process = await asyncio.create_subprocess_exec(
            "nsenter", f"--net=/proc/{pid}/ns/net",
            "setpriv", "--reuid", "12345", "--regid", "12345", "--clear-groups",
            "/usr/bin/python3", "-I", "-c", NATIVE,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd="/",
        )  # fmt: skip
        output, _ = await process.communicate(json.dumps(hosts).encode())
        statuses, dialled = json.loads(output)
        result = found.result() | {"hosts": len(hosts), "statuses": statuses, "dialled": dialled}
        return result | {"control": await escaped(found, pid)}


async def escaped(found: Stage, pid: int) -> dict[str, Any]:
    """The result after connections and packets that the trials must find."""
    code = (
        "import socket\n"
        "socket.socket(2, 2).sendto(b'x', ('127.0.0.1', 3478))\n"
        "socket.socket().connect_ex(('127.0.0.1', 8000))\n"
    )
    command = ["nsenter", f"--net=/proc/{pid}/ns/net", sys.executable, "-I", "-c", code]
    subprocess.run(command, check=True)
    for host in ("127.0.0.1", "10.0.0.1"):
        _, writer = await asyncio.open_connection(host, 8000)
        writer.close()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.sendto(b"x", ("169.254.169.254", 3478))
    await until(lambda: len(found.site.inside) == 2 and bool(found.site.datagrams))
    return found.result()
