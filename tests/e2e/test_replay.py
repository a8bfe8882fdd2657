"""The proxy password of a run is useless to other runs, and to every run after its end."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from support.booted import Booted
from support.projects import python_project
from support.sites import CountingSite, counting_site

PUBLISHES = """
import os, time
from sdk import CoreSDK

# reversed, because it would be masked
CoreSDK.Result.push_data({"auth": os.environ["PROXY_AUTH"][::-1]})
time.sleep(600)
"""
REPLAYS = '''
"""Shows the password of another run at its own proxy, in three ways and over again."""

import base64
import os
import socket
import struct

from sdk import CoreSDK

given = CoreSDK.Parameter.get_input_json_dict()
auth = given.get("auth") or os.environ["PROXY_AUTH"]
own = os.environ["PROXY_AUTH"]
mixed = own.partition(":")[0] + ":" + auth.partition(":")[2]
host, _, port = given["target"].rpartition(":")
ask = f"GET / HTTP/1.1\\r\\nHost: {given['target']}\\r\\n\\r\\n"


def talk(words):
    with socket.create_connection(("127.0.0.1", given.get("port", 1080)), 20) as connection:
        connection.sendall(words)
        return connection.recv(65536)


def by_http(auth):
    word = base64.b64encode(auth.encode()).decode()
    head = f"GET http://{given['target']}/ HTTP/1.1\\r\\nHost: {given['target']}\\r\\n"
    return b" 200 " in talk(f"{head}Proxy-Authorization: Basic {word}\\r\\n\\r\\n".encode())


def by_connect(auth):
    word = base64.b64encode(auth.encode()).decode()
    head = f"CONNECT {given['target']} HTTP/1.1\\r\\nHost: {given['target']}\\r\\n"
    return b" 200 " in talk(f"{head}Proxy-Authorization: Basic {word}\\r\\n\\r\\n".encode())


def by_socks(auth):
    user, _, secret = (part.encode() for part in auth.partition(":"))
    with socket.create_connection(("127.0.0.1", 1080), 20) as connection:
        connection.sendall(b"\\x05\\x01\\x02")
        connection.recv(2)
        connection.sendall(b"\\x01" + bytes([len(user)]) + user + bytes([len(secret)]) + secret)
        if connection.recv(2) != b"\\x01\\x00":
            return False
        name = host.encode()
        where = bytes([len(name)]) + name + struct.pack(">H", int(port))
        connection.sendall(b"\\x05\\x01\\x00\\x03" + where)
        return connection.recv(10)[1:2] == b"\\x00"


passed = tried = 0
for _ in range(given["times"]):
    for shown in (auth, mixed):
        for way in (by_http, by_connect, by_socks):
            tried += 1
            try:
                passed += way(shown)
            except OSError:
                continue
CoreSDK.Result.push_data({"tried": tried, "passed": passed})
'''


@pytest.fixture
def site() -> Iterator[CountingSite]:
    with counting_site() as site:
        yield site


def replay(platform: Booted, site: CountingSite, auth: str, times: int) -> dict[str, int]:
    """Let a run send that password to its own proxy; return the result."""
    slug = platform.push(python_project(REPLAYS), "replay-shows")
    given = {"auth": auth, "target": site.target, "times": times}
    run = platform.start_run(slug, given, egress_allow=[site.target])
    assert platform.ended(run, 240)["status"] == 3, platform.log_text(run)
    [row] = platform.rows(run)
    return {"tried": row["tried"], "passed": row["passed"]}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("times", [5, pytest.param(90, marks=pytest.mark.long)])
def test_the_proxy_password_is_valid_for_its_own_attempt_only(
    platform: Booted, site: CountingSite, times: int
) -> None:
    run = platform.start_run(platform.push(python_project(PUBLISHES), "replay-publishes"))
    platform.wait_for(lambda: platform.detail(run)["results"], "its password", 20)
    auth = platform.rows(run)[0]["auth"][::-1]
    while_it_runs = replay(platform, site, auth, times)
    for port in (1080, 6000, 9222, 20086):  # listeners inside sandboxes only
        with pytest.raises(OSError), socket.create_connection(("127.0.0.1", port), 2):
            pass
    platform.call("/api/v1/scraper/abort", {"run_slug": run})
    platform.ended(run)
    after_its_end = replay(platform, site, auth, times)
    for seen in (while_it_runs, after_its_end):
        assert seen == {"tried": 6 * times, "passed": 0}
    assert site.requests == []
    own = replay(platform, site, "", 1)  # the same bytes succeed with the run's own password
    assert own == {"tried": 6, "passed": 6}
    assert len(site.requests) == 2
