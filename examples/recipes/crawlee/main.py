"""Stores the quotes of a site, with the birthday of each author from another page, with Crawlee."""

import asyncio
import os

from crawlee.crawlers import ParselCrawler
from crawlee.proxy_configuration import ProxyConfiguration
from sdk import CoreSDK


async def proxy_of(session_id=None, request=None):
    """Each session of Crawlee leaves from one proxy; after a refusal it takes another session."""
    user, password = os.environ["PROXY_AUTH"].split(":", 1)
    word = f"-session-{session_id}" if session_id else ""
    return f"http://{user}{word}:{password}@{os.environ['PROXY_DOMAIN']}"


async def main():
    task = CoreSDK.Parameter.get_input_json_dict()
    crawler = ParselCrawler(
        proxy_configuration=ProxyConfiguration(new_url_function=proxy_of),
        max_request_retries=4,
        max_requests_per_crawl=task.get("max_pages") or 50,
    )

    @crawler.router.default_handler
    async def read_list(context):
        await context.enqueue_links(selector=".quote a[href^='/author/']", label="author")
        await context.enqueue_links(selector=".next a")

    @crawler.router.handler("author")
    async def read_author(context):
        read = context.selector.css
        row = {
            "author": read(".author-title::text").get("").strip(),
            "born": read(".author-born-date::text").get(),
            "url": context.request.url,
        }
        CoreSDK.Result.push_data(row)

    statistics = await crawler.run([task.get("url") or "https://quotes.toscrape.com/"])
    if statistics.requests_failed:
        raise SystemExit(f"{statistics.requests_failed} pages failed; the log says why")


if __name__ == "__main__":
    asyncio.run(main())
