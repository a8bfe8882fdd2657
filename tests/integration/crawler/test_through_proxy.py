"""The crawler behind the platform's proxy: all traffic uses it, and its refusals are respected."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from fyke.contracts.egress import EgressGrant
from support.crawled_site import Site
from support.crawler import CrawlResult, crawl
from support.egress import ATTEMPT, SECRET, client_and_process, listener, port_of

pytestmark = pytest.mark.anyio


async def crawl_through(
    folder: Path, python: Path, served: Site, *allow: str, path: str = "/"
) -> tuple[CrawlResult, int]:
    """Crawl through the proxy; return the run and the counted bytes."""
    async with client_and_process(folder) as (egress, _):
        proxy = listener()
        await egress.open([proxy], EgressGrant(ATTEMPT, SECRET, "", allow, None))
        environ = {
            "PROXY_DOMAIN": f"127.0.0.1:{port_of(proxy)}",
            "PROXY_AUTH": f"{ATTEMPT}:{SECRET}",
            "http_proxy": "http://127.0.0.1:1",  # a setting of the machine that must not be used
        }
        custom = {"start_urls": [served.base + path], "delay_seconds": 0, "max_retries": 0}
        ran = await asyncio.to_thread(crawl, python, custom, environ=environ)
        traffic = await egress.close(ATTEMPT)
        return ran, traffic.total


async def test_all_traffic_is_counted(tmp_path: Path, python: Path, served: Site) -> None:
    allow = f"127.0.0.1:{served.port}"
    ran, counted = await crawl_through(tmp_path, python, served, allow, path="/article")
    assert ran.code == 0, ran.stderr
    assert len(ran.rows) >= 4
    bodies = sum(len(served.pages[path][2]) for path in ("/article", "/b?x=1&y=2", "/deep"))
    assert counted > bodies
    ports = {headers["Host"] for _, _, headers in served.requests}
    assert ports == {f"127.0.0.1:{served.port}"}


async def test_a_refusal_of_the_proxy_is_distinguished_from_one_of_the_site(
    tmp_path: Path, python: Path, served: Site
) -> None:
    served.put("/robots.txt", b"", status=403)
    served.put("/article", b"", status=403)
    refused, _ = await crawl_through(tmp_path, python, served)
    assert refused.code == 1
    assert "refused by the platform" in refused.stderr.splitlines()[-1]
    assert served.requests == []
    allow = f"127.0.0.1:{served.port}"
    by_site, _ = await crawl_through(tmp_path / "2", python, served, allow, path="/article")
    assert by_site.code == 1
    assert by_site.stderr.splitlines()[-1].endswith("HTTP 403 Forbidden")
