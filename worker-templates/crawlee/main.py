"""Stores the quotes of a site, page by page, with Crawlee."""

import asyncio

from crawlee.crawlers import ParselCrawler
from sdk import CoreSDK


def read_page(selector, url):
    """Yield the rows of a page."""
    for quote in selector.css(".quote"):
        text, author = quote.css(".text::text").get(), quote.css(".author::text").get()
        tags = quote.css(".tag::text").getall()
        yield {"text": text, "author": author, "tags": tags, "url": url}


async def main():
    task = CoreSDK.Parameter.get_input_json_dict()
    url = task.get("url") or "https://quotes.toscrape.com/"
    left = task.get("max_results") or 30
    crawler = ParselCrawler()

    @crawler.router.default_handler
    async def handle(context):
        nonlocal left
        rows = list(read_page(context.selector, context.request.url))
        if not rows:
            raise ValueError("no quote was found")
        for row in rows[:left]:
            CoreSDK.Result.push_data(row)
            left -= 1
        if left:
            await context.enqueue_links(selector=".next a")

    statistics = await crawler.run([url])
    if statistics.requests_failed:
        raise SystemExit(f"{statistics.requests_failed} pages failed; the log says why")


if __name__ == "__main__":
    asyncio.run(main())
