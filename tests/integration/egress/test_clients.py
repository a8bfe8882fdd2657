"""Ordinary clients in real sandboxes use the proxy without code for it; SDK calls stay local."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from fyke.contracts.egress import EgressGrant, Traffic
from fyke.egress.local import LocalEgress
from fyke.kit.resolver import Resolver
from fyke.model.attempt import SiteTraffic
from fyke.model.worker import Language
from fyke.runner.worker_env import worker_env
from fyke.sdk.http2 import serve
from integration.sandbox.sandboxes import ROOT, SPAWNERS, SandboxSetup, drain, sandbox_setup
from support.packages import environment_of
from support.sites import CountingSite, counting_site
from support.tls_site import NAME, TlsSite, tls_site

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.needs("bwrap"),
]

SECRET = "s3cret-of_this"
BODY = 3000
TLS_BODY = b"z" * 500
MIB = 2**20


@dataclass(frozen=True)
class Observed:
    """What a Worker reports of each of its clients, and what the sites have counted."""

    reports: dict[str, str]
    total: Traffic
    sites: dict[str, SiteTraffic]
    plain: CountingSite
    tls: TlsSite
    sdk_calls: list[str]
    browser_asked: list[str]


class Setup:
    """Sandboxes, an egress in this process, and two sites whose names only the proxy resolves."""

    def __init__(self, sandboxes: SandboxSetup, plain: CountingSite, tls: TlsSite) -> None:
        self._sandboxes, self._plain, self._tls = sandboxes, plain, tls

    @property
    def environments(self) -> Path:
        """The environments of the sandboxes."""
        return self._sandboxes.home / "cache"

    async def execute(
        self,
        files: dict[str, str | bytes],
        language: Language,
        environment: Path | None = None,
    ) -> Observed:
        """Run a Worker that prints the results of its clients as a JSON object."""
        attempt = "01CLIENTS"
        calls: list[str] = []
        browser_requests: list[str] = []

        async def answer(path: str, message: bytes) -> bytes:
            calls.append(path)
            return b""

        allow = tuple(f"{NAME}:{port}" for port in (self._plain.port, self._tls.port))
        egress = LocalEgress(resolver=Resolver(lambda name: ("127.0.0.1",)))
        files = files | {"site.pem": self._tls.certificate.read_bytes()}
        sandbox = await self._sandboxes.open(
            files, language=language, environment=environment, memory=1024 * MIB, cpus=2.0
        )
        sdk = await serve(sandbox.listeners["sdk"], answer)
        try:
            listeners = [sandbox.listeners["proxy"], sandbox.listeners["proxy6000"]]
            await egress.open(listeners, EgressGrant(attempt, SECRET, "", allow))
            for browser in ("cdp", "cdp80"):
                if browser in sandbox.listeners:
                    listener = sandbox.listeners[browser]
                    await egress.refuse_browser(
                        attempt, listener, lambda: browser_requests.append("asked")
                    )
            own = worker_env(language, attempt, SECRET, has_port_80="cdp80" in sandbox.listeners)
            await sandbox.launch(own | self._own_env())
            out, err = await drain(sandbox)
            ended = await sandbox.wait()
            total = await egress.close(attempt)
        finally:
            await sdk.close()
            await egress.stop()
        assert (ended.code, ended.signal) == (0, 0), err
        sites = {site.domain: site for site in egress.sites(attempt)}
        reports = json.loads(out.splitlines()[-1])
        return Observed(reports, total, sites, self._plain, self._tls, calls, browser_requests)

    def _own_env(self) -> dict[str, str]:
        trusted = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
        return dict.fromkeys(trusted, "/work/site.pem") | {
            "PLAIN": f"http://{NAME}:{self._plain.port}/bytes/{BODY}",
            "TLS": f"https://{NAME}:{self._tls.port}/",
        }


@pytest.fixture
async def setup(tmp_path: Path) -> AsyncIterator[Setup]:
    async with sandbox_setup(SPAWNERS[0]) as sandboxes, tls_site(tmp_path, TLS_BODY) as tls:
        with counting_site() as plain:
            yield Setup(sandboxes, plain, tls)


def assert_all_succeeded(observed: Observed, plain: int, tls: int) -> None:
    """Check that every client got its body through the proxy, and that the counts are equal."""
    assert observed.reports == dict.fromkeys(observed.reports, "ok")
    assert len(observed.plain.requests) == plain
    assert len(observed.tls.requests) == tls
    assert set(observed.sites) == {NAME}
    site = observed.sites[NAME]
    assert (site.requests, site.failures, site.refused) == (plain + tls, 0, 0)
    assert observed.total == Traffic(site.bytes_up, site.bytes_down, plain + tls, 0)
    assert site.bytes_up + site.bytes_down > observed.plain.passed > plain * BODY


PYTHON = """
import json, os, subprocess, sys, urllib.request
PLAIN, TLS = os.environ["PLAIN"], os.environ["TLS"]
SIZES = {PLAIN: BODY, TLS: TLS_BODY}
said = {}

def way(name, url, get):
    try:
        size = len(get(url))
        said[name] = "ok" if size == SIZES[url] else f"{size} bytes"
    except Exception as error:
        said[name] = repr(error)

def curl(*options):
    return lambda url: subprocess.run(
        ["curl", "-sS", "--max-time", "20", *options, url], check=True, capture_output=True
    ).stdout

def both(name, get):
    way(name + " http", PLAIN, get)
    way(name + " https", TLS, get)

both("urllib", lambda url: urllib.request.urlopen(url, timeout=20).read())
if os.path.exists("/usr/bin/curl"):
    auth, domain = os.environ["PROXY_AUTH"], os.environ["PROXY_DOMAIN"]
    both("curl", curl())
    both("curl socks", curl("-x", f"socks5h://{auth}@{domain}"))
    both("curl tunnel", curl("-p", "-x", f"http://{auth}@{domain}"))
    both("curl old name", curl("-x", f"socks5h://{auth}@proxy-inner.coreclaw.com:6000"))
    both("curl older name", curl("-x", f"http://{auth}@proxy-inner.cafescraper.com:6000"))
    # a program's own proxy, reached by a library that takes the one of the environment too
    through = f"{auth}@{domain}"
    both("curl twice", curl("--preproxy", f"socks5h://{through}", "-x", f"http://{through}"))
LIBRARIES
print(json.dumps(said))
"""
LIBRARIES = """
import asyncio, grpc, httpx, httpx2, requests
auth, domain = os.environ["PROXY_AUTH"], os.environ["PROXY_DOMAIN"]
both("requests", lambda url: requests.get(url, timeout=20).content)
both("requests session", lambda url: requests.Session().get(url, timeout=20).content)
given = {way: f"http://{auth}@{domain}" for way in ("http", "https")}
both("requests as before", lambda url: requests.get(url, proxies=given, timeout=20).content)
both("httpx", lambda url: httpx.get(url, timeout=20).content)
both("httpx2", lambda url: httpx2.get(url, timeout=20).content)
both("httpx2 as before", lambda url: httpx2.get(url, proxy=given["http"], timeout=20).content)

async def later(url):
    async with httpx2.AsyncClient(timeout=20) as client:
        return (await client.get(url)).content

both("httpx2 async", lambda url: asyncio.run(later(url)))
channel = grpc.insecure_channel("127.0.0.1:20086")
for target in ("127.0.0.1:20086", "localhost:20086"):
    with grpc.insecure_channel(target) as channel:
        call = channel.unary_unary("/test.Sdk/Call")
        said["grpc " + target] = "ok" if call(b"", timeout=20) == b"" else "wrong"
"""


def python(libraries: str = "") -> dict[str, str | bytes]:
    text = PYTHON.replace("TLS_BODY", str(len(TLS_BODY))).replace(": BODY", f": {BODY}")
    return {"main.py": text.replace("LIBRARIES", libraries)}


async def test_python_and_curl_reach_the_site_through_the_proxy(setup: Setup) -> None:
    observed = await setup.execute(python(), Language.PYTHON)
    rounds = len(observed.reports) // 2
    assert rounds in (1, 7)  # curl may be missing on the machine
    assert_all_succeeded(observed, rounds, rounds)


@pytest.mark.skipif(
    sys.version_info[:2] != tuple(map(int, os.readlink("/usr/bin/python3")[6:].split("."))),
    reason="this environment is not for the Python of the sandboxes",
)
async def test_python_libraries_and_grpc_reach_the_site_through_the_proxy(setup: Setup) -> None:
    packages = environment_of(
        setup.environments / "python", ["requests", "httpx", "httpx2", "grpcio"]
    )
    observed = await setup.execute(python(LIBRARIES), Language.PYTHON, packages)
    ways = (len(observed.reports) - 2) // 2
    assert ways >= 8
    assert_all_succeeded(observed, ways, ways)
    assert observed.sdk_calls == ["/test.Sdk/Call"] * 2


BROWSER = """
import json, urllib.error, urllib.request

said = {}
hosts = [f"{service}-inner.{site}.com" for service in ("chrome-ws", "chrome-http", "lightpanda")
         for site in ("coreclaw", "cafescraper")]
for host in (*hosts, "127.0.0.1:9222"):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        opener.open(f"http://{host}/", timeout=20)
    except urllib.error.HTTPError as error:
        said[host] = f"{error.code} {error.read().decode()}"
    except OSError as error:
        said[host] = str(error)
print(json.dumps(said))
"""


@pytest.mark.skipif(not ROOT, reason="only root can have a listener at port 80 of a sandbox")
async def test_the_old_names_of_the_browser_answer_that_there_is_none(setup: Setup) -> None:
    observed = await setup.execute({"main.py": BROWSER}, Language.PYTHON)
    assert len(observed.reports) == 7
    assert set(observed.reports.values()) == {"503 this Fyke has no browser\n"}
    assert observed.browser_asked
    assert observed.total == Traffic()


NODE = """
const http = require("http"), https = require("https");
const { PLAIN, TLS, PROXY_AUTH, PROXY_DOMAIN } = process.env;
const said = {};
const sizes = { [PLAIN]: BODY, [TLS]: TLS_BODY };
async function way(name, url, get) {
  try {
    const { length } = await get(url);
    said[name] = length === sizes[url] ? "ok" : `${length} bytes`;
  } catch (error) {
    said[name] = `${error.message} ${error.cause}`;
  }
}
async function both(name, get) {
  await way(`${name} http`, PLAIN, get);
  await way(`${name} https`, TLS, get);
}
const get = (url, options = {}) => new Promise((done, failed) => {
  (url.startsWith("https") ? https : http).get(url, options, (answer) => {
    let body = "";
    answer.on("data", (part) => { body += part; });
    answer.on("end", () => done(body));
  }).on("error", failed);
});
(async () => {
  await both("node", get);
  await both("fetch", async (url) => (await fetch(url)).text());
  const inside = http.createServer((_, answer) => answer.end("inside")).listen(0, "127.0.0.1");
  await new Promise((done) => inside.on("listening", done));
  const own = `http://127.0.0.1:${inside.address().port}/`;
  const twice = (await get(own)) + (await (await fetch(own)).text());
  said.inside = twice === "insideinside" ? "ok" : twice;
  const cause = await fetch("http://10.0.0.1/").then(() => "reached", (error) => `${error.cause}`);
  said.refused = cause.includes("not on the public internet") ? "ok" : cause;
  await new Promise((done) => inside.close(done));
  LIBRARIES
  console.log(JSON.stringify(said));
})();
"""
NODE_LIBRARIES = """
  const axios = require("axios"), { SocksProxyAgent } = require("socks-proxy-agent");
  const { HttpsProxyAgent } = require("https-proxy-agent"), grpc = require("@grpc/grpc-js");
  const socks = new SocksProxyAgent(`socks5h://${PROXY_AUTH}@${PROXY_DOMAIN}`);
  const tunnel = new HttpsProxyAgent(`http://${PROXY_AUTH}@${PROXY_DOMAIN}`);
  const text = { responseType: "text" };
  await both("axios", async (url) => (await axios.get(url, text)).data);
  for (const agent of [socks, tunnel]) {
    const own = { ...text, httpAgent: agent, httpsAgent: agent };
    await both(`axios ${agent.constructor.name}`, async (url) => (await axios.get(url, own)).data);
    await both(`node ${agent.constructor.name}`, (url) => get(url, { agent }));
  }
  for (const target of ["127.0.0.1:20086", "localhost:20086"]) {
    const client = new grpc.Client(target, grpc.credentials.createInsecure());
    said[`grpc ${target}`] = await new Promise((done) => client.makeUnaryRequest(
      "/test.Sdk/Call", (b) => b, (b) => b, Buffer.alloc(0),
      (error) => done(error ? error.message : "ok")));
    client.close();
  }
"""


def node(libraries: str = "") -> dict[str, str | bytes]:
    text = NODE.replace("TLS_BODY", str(len(TLS_BODY))).replace(": BODY", f": {BODY}")
    return {"main.js": text.replace("LIBRARIES", libraries)}


def without_refusal(observed: Observed) -> Observed:
    """The result without the target that must be refused."""
    sites = dict(observed.sites)
    assert sites.pop("10.0.0.1") == SiteTraffic("10.0.0.1", refused=1)
    total = Traffic(
        observed.total.up,
        observed.total.down,
        observed.total.connections,
        observed.total.refused - 1,
    )
    return replace(observed, total=total, sites=sites)


@pytest.mark.needs("node")
async def test_node_reaches_the_site_through_the_proxy(setup: Setup) -> None:
    observed = await setup.execute(node(), Language.NODE)
    assert_all_succeeded(without_refusal(observed), 2, 2)


@pytest.mark.long
@pytest.mark.needs("npm")
@pytest.mark.parametrize("axios", ["1.7.9", "latest"])
async def test_node_libraries_and_grpc_reach_the_site_through_the_proxy(
    setup: Setup, axios: str
) -> None:
    """The packages come from the registry in the configuration of npm."""
    packages = [f"axios@{axios}", "socks-proxy-agent@8", "https-proxy-agent@7", "@grpc/grpc-js@1"]
    command = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", *packages]
    folder = setup.environments / "node"
    folder.mkdir()
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=300)
    modules = folder / "node_modules"
    subprocess.run(["chmod", "-R", "a+rX", str(modules)], check=True)
    observed = await setup.execute(node(NODE_LIBRARIES), Language.NODE, modules)
    assert len(observed.reports) == 4 + 2 + 10 + 2
    assert_all_succeeded(without_refusal(observed), 7, 7)
    assert observed.sdk_calls == ["/test.Sdk/Call"] * 2


GO = """
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
)

func main() {
	said := map[string]string{}
	given, _ := url.Parse("http://" + os.Getenv("PROXY_AUTH") + "@" + os.Getenv("PROXY_DOMAIN"))
	socks, _ := url.Parse("socks5h://" + os.Getenv("PROXY_AUTH") + "@" + os.Getenv("PROXY_DOMAIN"))
	clients := map[string]*http.Client{
		"net/http":     http.DefaultClient,
		"as before":    {Transport: &http.Transport{Proxy: http.ProxyURL(given)}},
		"socks5h":      {Transport: &http.Transport{Proxy: http.ProxyURL(socks)}},
	}
	sizes := map[string]int{"PLAIN": BODY, "TLS": TLS_BODY}
	for name, client := range clients {
		for kind, size := range sizes {
			said[name+" "+kind] = func() string {
				answer, err := client.Get(os.Getenv(kind))
				if err != nil {
					return err.Error()
				}
				defer answer.Body.Close()
				body, err := io.ReadAll(answer.Body)
				if err != nil || len(body) != size {
					return fmt.Sprint(err, len(body))
				}
				return "ok"
			}()
		}
	}
	http.Get("http://127.0.0.1:20086/") // speaks another protocol, and never goes to the proxy
	words, _ := json.Marshal(said)
	fmt.Println(string(words))
}
"""


@pytest.mark.long
@pytest.mark.needs("go")
async def test_go_reaches_the_site_through_the_proxy(setup: Setup, tmp_path: Path) -> None:
    text = GO.replace("TLS_BODY", str(len(TLS_BODY))).replace(": BODY", f": {BODY}")
    (tmp_path / "main.go").write_text(text)
    command = ["go", "build", "-o", "main", "main.go"]
    settings = os.environ | {"CGO_ENABLED": "0", "GO111MODULE": "off"}
    subprocess.run(command, cwd=tmp_path, env=settings, check=True, capture_output=True)
    files: dict[str, str | bytes] = {"main": (tmp_path / "main").read_bytes()}
    observed = await setup.execute(files, Language.GO)
    assert_all_succeeded(observed, 3, 3)
