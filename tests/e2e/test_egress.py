"""The egress of a run: allowed and refused targets, and the exact count of bytes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from fyke.kit.interfaces import own_addresses
from fyke.reasons import HintCode, ReasonCode
from fyke_client import FykeAdmin
from support.booted import Booted, booted
from support.projects import ZOO, python_project, zoo
from support.reasons import reaches
from support.sites import CountingSite, SocksProxy, counting_site, socks_proxy

SUCCEEDED, FAILED = 3, 4
SHOP = ("shop.example", 80)
KNOCKS = '''
"""Knocks at each target in each way, says its words, and pushes how it went."""

import base64
import os
import socket
import struct

from sdk import CoreSDK

user, _, secret = os.environ["PROXY_AUTH"].partition(":")


def proxy(given):
    host, _, port = given.get("proxy", os.environ["PROXY_DOMAIN"]).rpartition(":")
    return socket.create_connection((host, int(port)), 20)


def basic():
    return base64.b64encode(os.environ["PROXY_AUTH"].encode()).decode()


def split(target):
    host, _, port = target.rpartition(":")
    return host.strip("[]"), int(port)


def until_end(connection, data=b""):
    while part := connection.recv(65536):
        data += part
    return data


def head_of(connection):
    data = b""
    while not data.endswith(b"\\r\\n\\r\\n"):
        part = connection.recv(1)
        if not part:
            raise EOFError("no answer")
        data += part
    return int(data.split()[1])


def http(given, target, words):
    with proxy(given) as connection:
        first, _, rest = words.partition("\\r\\n")
        method, path, version = first.split(" ")
        first = f"{method} http://{target}{path} {version}"
        lines = f"{first}\\r\\nProxy-Authorization: Basic {basic()}\\r\\n{rest}"
        connection.sendall(lines.encode())
        status = head_of(connection)
        return status, len(until_end(connection))


def connect(given, target, words):
    with proxy(given) as connection:
        head = f"CONNECT {target} HTTP/1.1\\r\\nHost: {target}\\r\\n"
        connection.sendall(f"{head}Proxy-Authorization: Basic {basic()}\\r\\n\\r\\n".encode())
        status = head_of(connection)
        if status == 200:
            connection.sendall(words.encode())
        return status, len(until_end(connection))


def socks(given, target, words):
    host, port = split(target)
    with proxy(given) as connection:
        connection.sendall(b"\\x05\\x01\\x02")
        assert connection.recv(2) == b"\\x05\\x02"
        name, word = user.encode(), given.get("secret", secret).encode()
        connection.sendall(
            b"\\x01" + bytes([len(name)]) + name + bytes([len(word)]) + word
        )
        if connection.recv(2) != b"\\x01\\x00":
            return "denied", 0
        raw = host.encode()
        connection.sendall(
            b"\\x05\\x01\\x00\\x03" + bytes([len(raw)]) + raw + struct.pack(">H", port)
        )
        reply = connection.recv(10, socket.MSG_WAITALL)
        if reply[1] == 0:
            connection.sendall(words.encode())
        return reply[1], len(until_end(connection))


def direct(given, target, words):
    with socket.create_connection(split(target), 5) as connection:
        connection.sendall(words.encode())
        return "connected", len(until_end(connection))


ways = {"http": http, "connect": connect, "socks": socks, "direct": direct}
given = CoreSDK.Parameter.get_input_json_dict()
for target in given["targets"]:
    words = given.get("words", "GET / HTTP/1.1\\r\\nHost: {}\\r\\n\\r\\n").format(target)
    for way in given["ways"]:
        try:
            answer, size = ways[way](given, target, words)
        except Exception as error:
            answer, size = type(error).__name__, 0
        CoreSDK.Result.push_data(
            {"target": target, "way": way, "answer": answer, "size": size}
        )
'''


@dataclass(frozen=True)
class Setup:
    """A platform with regional proxies, and the Workers of these tests."""

    platform: Booted
    region: SocksProxy
    fetches: str
    knocks: str

    def knock(
        self, targets: list[str], ways: list[str], custom: Any = None, **system: Any
    ) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Run the Worker that connects to targets; return the run and its rows."""
        given = {"targets": targets, "ways": ways, **(custom or {})}
        run = self.platform.start_run(self.knocks, given, **system)
        return self.platform.ended(run), self.platform.rows(run)

    def fetch(self, url: str, **system: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        run = self.platform.start_run(self.fetches, {"url": url}, **system)
        detail = self.platform.ended(run)
        [row] = self.platform.rows(run)
        return detail, row


@pytest.fixture(scope="module")
def setup() -> Iterator[Setup]:
    with socks_proxy() as region:
        upstreams = {
            "DE": f"socks5://127.0.0.1:{region.port}",
            "FR": f"socks5h://user:pass%20word@127.0.0.1:{region.port}",
            "GB": "socks5://127.0.0.1:9",
        }
        with booted(egress_upstreams=json.dumps(upstreams), browser="off") as platform:
            yield Setup(
                platform,
                region,
                platform.push(zoo("fetches"), "egress-fetches", public=True),
                platform.push(python_project(KNOCKS), "egress-knocks"),
            )


@pytest.fixture
def site() -> Iterator[CountingSite]:
    with counting_site() as site:
        yield site


# --- counting ---------------------------------------------------------------------------------


def test_a_fetch_through_the_proxy_is_counted_to_the_byte(setup: Setup, site: CountingSite) -> None:
    detail, row = setup.fetch(site.url("/bytes/300000"), egress_allow=[site.target])
    assert row == {"status": 200, "bytes": 300_000}
    assert site.requests == ["/bytes/300000"]
    assert detail["traffic"] == site.passed > 300_000


@pytest.mark.parametrize("way", ["http", "connect", "socks"])
def test_each_direction_is_counted_as_the_site_counts_it(
    setup: Setup, site: CountingSite, way: str
) -> None:
    body = "y" * 50_000
    words = f"POST /bytes/70000 HTTP/1.1\r\nHost: {{}}\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    detail, [row] = setup.knock([site.target], [way], {"words": words}, egress_allow=[site.target])
    assert detail["status"] == SUCCEEDED
    assert row["answer"] == (0 if way == "socks" else 200)
    assert row["size"] >= 70_000
    assert site.received > 50_000
    assert site.sent > 70_000
    assert detail["traffic"] == site.passed


def test_the_port_that_old_workers_hard_code_leads_to_the_proxy(
    setup: Setup, site: CountingSite
) -> None:
    custom = {"proxy": "127.0.0.1:6000"}
    detail, rows = setup.knock([site.target], ["socks", "http"], custom, egress_allow=[site.target])
    assert [row["answer"] for row in rows] == [0, 200]
    assert detail["traffic"] == site.passed > 0


def test_libraries_find_the_proxy_without_configuration(setup: Setup, site: CountingSite) -> None:
    """Only the region resolves this name, so it can be reached only through the proxy."""
    code = (
        "import urllib.request\nfrom sdk import CoreSDK\n"
        "url = CoreSDK.Parameter.get_input_json_dict()['url']\n"
        "CoreSDK.Result.push_data({'bytes': len(urllib.request.urlopen(url, timeout=30).read())})\n"
    )
    slug = setup.platform.push(python_project(code), "egress-plain-library")
    setup.region.names[SHOP] = site.port
    url = "http://shop.example/bytes/4000"
    run = setup.platform.start_run(slug, {"url": url}, proxy_region="FR")
    detail = setup.platform.ended(run)
    assert setup.platform.rows(run) == [{"bytes": 4000}]
    assert detail["traffic"] == site.passed > 4000


def test_a_wrong_secret_is_refused(setup: Setup, site: CountingSite) -> None:
    custom = {"secret": "guessed"}
    detail, [row] = setup.knock([site.target], ["socks"], custom, egress_allow=[site.target])
    assert row["answer"] == "denied"
    assert (site.passed, detail["traffic"]) == (0, 0)


# --- who may go where -------------------------------------------------------------------------


def test_an_exemption_applies_to_its_own_run_only(setup: Setup, site: CountingSite) -> None:
    _, allowed = setup.fetch(site.url("/bytes/10"), egress_allow=[site.target])
    _, refused = setup.fetch(site.url("/bytes/10"))
    assert allowed == {"status": 200, "bytes": 10}
    assert "403" in refused["error"]
    other = f"127.0.0.1:{site.port + 1 if site.port < 65535 else site.port - 1}"
    _, elsewhere = setup.fetch(site.url("/bytes/10"), egress_allow=[other])
    assert "403" in elsewhere["error"]
    assert site.requests == ["/bytes/10"]


def test_a_version_reaches_only_its_declared_sites_and_each_site_is_reported(
    setup: Setup, site: CountingSite
) -> None:
    declared = {"fyke.json": json.dumps({"egress": ["127.0.0.1"]})}
    knocks = setup.platform.push(python_project(KNOCKS, **declared), "egress-declared")
    targets = [site.target, "undeclared.example:80", "10.1.2.3:80"]
    run = setup.platform.start_run(
        knocks, {"targets": targets, "ways": ["http", "socks"]}, egress_allow=[site.target]
    )
    detail, rows = setup.platform.ended(run), setup.platform.rows(run)
    assert [row["answer"] for row in rows] == [200, 0, 403, 2, 403, 2]
    with FykeAdmin(setup.platform.url, setup.platform.key) as client:
        reported = client.sites(run)
    assert reported.egress == ["127.0.0.1"]
    sites = {one.domain: one for one in reported.items}
    assert {name: (s.requests, s.refused, s.why) for name, s in sites.items()} == {
        "127.0.0.1": (2, 0, ""),
        "undeclared.example": (0, 2, "undeclared"),
        "10.1.2.3": (0, 2, "not_public"),
    }
    reached = sites["127.0.0.1"]
    assert reached.bytes_up + reached.bytes_down == detail["traffic"] == site.passed


def test_only_the_operator_may_exempt_private_addresses(setup: Setup, site: CountingSite) -> None:
    platform = setup.platform
    key = platform.new_account("egress-guest")
    system = {"egress_allow": [site.target]}
    body = {
        "scraper_slug": setup.fetches,
        "input": {"parameters": {"system": system, "custom": {"url": site.url("/")}}},
    }
    answer = platform.raw("/api/v1/scraper/run", body, key=key)
    assert (answer.status_code, answer.json()["code"]) == (401, 4010)
    assert "egress_allow" in answer.json()["message"]
    assert platform.call("/api/v1/run/list", {}, key=key)["count"] == 0
    assert site.passed == 0


def test_no_encoding_of_an_internal_address_is_reachable(setup: Setup, site: CountingSite) -> None:
    port = site.port
    hosts = [
        "127.0.0.1", "localhost", "127.0.0.2", "0.0.0.0", "2130706433", "0x7f000001", "127.1",
        "0177.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.0.1", "100.100.100.200",
        "169.254.169.254", "168.63.129.16", "192.0.0.192", "224.0.0.1", "255.255.255.255",
        "[::1]", "[::]", "[fe80::1]", "[fd00::1]", "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]",
        "LOCALHOST.", "metadata.internal",
    ]  # fmt: skip
    hosts += [f"[{own}]" if ":" in own else own for own in map(str, own_addresses())][:4]
    targets = [f"{host.partition('%')[0]}:{port}" for host in hosts if "%" not in host]
    detail, rows = setup.knock(targets, ["http", "connect", "socks"])
    assert detail["status"] == SUCCEEDED
    assert len(rows) == 3 * len(targets)
    passed = [row for row in rows if row["answer"] in (0, 200, "connected")]
    assert passed == []
    by_rule = [row for row in rows if row["answer"] in (403, 2)]
    names = ("metadata.internal",)  # may also fail because it has no address
    assert len([r for r in rows if not r["target"].startswith(names)]) <= len(by_rule)
    assert (detail["traffic"], site.passed) == (0, 0)


def test_there_is_no_network_access_without_the_proxy(setup: Setup, site: CountingSite) -> None:
    targets = [site.target, "1.1.1.1:443", setup.platform.url.removeprefix("http://")]
    _, rows = setup.knock(targets, ["direct"], egress_allow=[site.target])
    assert {row["answer"] for row in rows} <= {"OSError", "ConnectionRefusedError", "TimeoutError"}
    assert site.passed == 0


def test_mail_ports_are_blocked(setup: Setup) -> None:
    _, rows = setup.knock(["mail.example:25", "mail.example:587"], ["connect", "socks"])
    assert [row["answer"] for row in rows] == [403, 2, 403, 2]


# --- the limit --------------------------------------------------------------------------------


@reaches(ReasonCode.TRAFFIC_CAP, HintCode.TRAFFIC_CAP)
def test_the_traffic_limit_stops_the_run_at_the_exact_byte(
    setup: Setup, site: CountingSite
) -> None:
    run = setup.platform.start_run(
        setup.fetches, {"url": site.url("/bytes/30000000")},
        egress_allow=[site.target], max_total_traffic=1,
    )  # fmt: skip
    detail = setup.platform.ended(run)
    assert detail["status"] == FAILED
    assert detail["err_msg"] == "Stopped: max_total_traffic of 1 MB was reached"
    assert detail["traffic"] == 1_000_000
    assert setup.platform.summary(run)["reason_params"] == {"traffic_bytes": 1_000_000}
    assert "max_total_traffic of 1 MB" in setup.platform.log_text(run)


def test_a_run_that_uses_exactly_its_limit_succeeds(setup: Setup, site: CountingSite) -> None:
    detail, _ = setup.knock([site.target], ["connect"], egress_allow=[site.target])
    exact = detail["traffic"]
    stays = python_project(KNOCKS + "\nimport time\ntime.sleep(4)\n")
    slug = setup.platform.push(stays, "egress-knocks-and-stays")
    given = {"targets": [site.target], "ways": ["connect"]}
    ends = {}
    for limit in (exact, exact - 1):
        run = setup.platform.start_run(
            slug, given, egress_allow=[site.target], max_total_traffic=limit / 1e6
        )
        ends[limit] = setup.platform.ended(run)
    assert ends[exact]["status"] == SUCCEEDED, ends[exact]
    assert ends[exact]["traffic"] == exact
    assert ends[exact - 1]["status"] == FAILED
    assert ends[exact - 1]["traffic"] == exact - 1
    in_mb = f"0.{exact - 1:06d}".rstrip("0")
    assert f"max_total_traffic of {in_mb} MB" in ends[exact - 1]["err_msg"]


def test_the_limit_applies_to_all_subtasks_together(setup: Setup, site: CountingSite) -> None:
    """Each of the six fetches is below the limit, and ends before they are added up."""
    schema = {
        "properties": [{"name": "urls", "type": "array"}],
        "concurrency": {"fields": ["urls"]},
    }
    fetches = (ZOO / "fetches.py").read_text().replace('["url"]', '["urls"][0]')
    slug = setup.platform.push(python_project(fetches, schema=schema), "egress-fetches-many")
    urls = [site.url(f"/bytes/{4_000_000 + number}") for number in range(6)]
    run = setup.platform.start_run(
        slug, {"urls": urls}, egress_allow=[site.target], max_total_traffic=5
    )
    detail = setup.platform.ended(run)
    assert detail["status"] == FAILED
    assert detail["err_msg"] == "Stopped: max_total_traffic of 5 MB was reached"
    # bytes that the site sent on connections that were then cut never reached the run
    assert 5_000_000 < detail["traffic"] <= site.passed


# --- regions ----------------------------------------------------------------------------------


def test_a_region_uses_its_own_proxy(setup: Setup, site: CountingSite) -> None:
    setup.region.names[("127.0.0.1", site.port)] = site.port
    before = len(setup.region.targets)
    detail, row = setup.fetch(
        site.url("/bytes/2000"), egress_allow=[site.target], proxy_region="DE"
    )
    assert row == {"status": 200, "bytes": 2000}
    assert setup.region.targets[before:] == [("127.0.0.1", site.port)]
    assert setup.region.users[before:] == [""]
    assert detail["traffic"] == site.passed
    assert "upstream" not in setup.platform.log_text(detail["slug"])


def test_the_proxy_of_a_region_may_resolve_names(setup: Setup, site: CountingSite) -> None:
    """The name resolves only in the region; the platform never resolves it."""
    setup.region.names[SHOP] = site.port
    before = len(setup.region.targets)
    detail, row = setup.fetch("http://shop.example/bytes/3000", proxy_region="FR")
    assert row == {"status": 200, "bytes": 3000}
    assert setup.region.targets[before:] == [SHOP]
    assert setup.region.users[before:] == ["user:pass word"]
    assert detail["traffic"] == site.passed


def test_the_proxy_of_a_region_is_never_asked_for_internal_addresses(setup: Setup) -> None:
    before = len(setup.region.targets)
    targets = ["127.0.0.1:80", "localhost:80", "10.0.0.1:80", "printer.local:80", "[::1]:80",
               "intranet:80", "169.254.169.254:80"]  # fmt: skip
    for region in ("DE", "FR"):
        _, rows = setup.knock(targets, ["connect", "socks"], proxy_region=region)
        assert len(rows) == 2 * len(targets)
        assert not [row for row in rows if row["answer"] in (0, 200)]
    assert setup.region.targets[before:] == []


def test_a_failing_proxy_of_a_region_is_reported(setup: Setup, site: CountingSite) -> None:
    detail, row = setup.fetch(site.url("/"), egress_allow=[site.target], proxy_region="GB")
    assert "502" in row["error"]
    assert (detail["traffic"], site.passed) == (0, 0)


def test_a_region_without_a_proxy_connects_directly_with_a_note_in_the_log(
    setup: Setup, site: CountingSite
) -> None:
    before = len(setup.region.targets)
    detail, row = setup.fetch(site.url("/bytes/10"), egress_allow=[site.target], proxy_region="US")
    assert row == {"status": 200, "bytes": 10}
    assert setup.region.targets[before:] == []
    entries = setup.platform.call("/api/v1/run/last/log", {"run_slug": detail["slug"]})["list"]
    [line] = [e for e in entries if "proxy_region" in e["content"]]
    assert line["type"] == 3
    assert "proxy_region US has no upstream; going out directly." in line["content"]


# --- no browser -------------------------------------------------------------------------------


def test_a_request_for_a_browser_is_refused_with_a_line_in_the_log(setup: Setup) -> None:
    asks = """
import os
import urllib.error
import urllib.request
from sdk import CoreSDK

for name in ("ChromeWs", "ChromeHttp"):
    try:
        urllib.request.urlopen(f"http://{os.environ[name]}/json/version", timeout=10)
    except urllib.error.HTTPError as error:
        CoreSDK.Result.push_data({"status": error.code, "text": error.read().decode()})
"""
    platform = setup.platform
    run = platform.start_run(platform.push(python_project(asks), "egress-asks-for-a-browser"))
    assert platform.ended(run)["status"] == SUCCEEDED
    rows = platform.rows(run)
    assert rows == [{"status": 503, "text": "this Fyke has no browser\n"}] * 2
    entries = platform.call("/api/v1/run/last/log", {"run_slug": run})["list"]
    [line] = [e for e in entries if "browser" in e["content"]]
    assert line["type"] == 3
    assert "this Fyke has no browser" in line["content"]


@reaches(ReasonCode.NO_BROWSER, HintCode.NO_BROWSER)
def test_a_worker_that_fails_without_a_browser_ends_for_that_reason(setup: Setup) -> None:
    asks = """
import os
import urllib.request

urllib.request.urlopen(f"http://{os.environ['ChromeWs']}/json/version", timeout=10)
"""
    platform = setup.platform
    run = platform.start_run(platform.push(python_project(asks), "egress-needs-a-browser"))
    detail = platform.ended(run)
    assert detail["err_msg"] == (
        "The Worker asked for a browser, and this Fyke has none; it exited with code 1: "
        "urllib.error.HTTPError: HTTP Error 503: Service Unavailable (main.py:5)"
    )
    assert platform.summary(run)["reason_code"] == "no_browser"


@reaches(ReasonCode.BROWSER_MISSING)
def test_a_version_that_requires_a_browser_is_refused_at_its_start(setup: Setup) -> None:
    platform = setup.platform
    project = python_project("import sdk\n", **{"fyke.json": '{"browser": "required"}'})
    slug = platform.push(project, "egress-requires-a-browser")
    body = {"scraper_slug": slug, "input": {"parameters": {"custom": {}}}}
    answer = platform.raw("/api/v1/scraper/run", body).json()
    assert answer["code"] == 50002
    assert "none is installed, or the setting browser is off" in answer["message"]
