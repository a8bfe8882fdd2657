import asyncio
import os

from crawl4ai import AsyncWebCrawler, BrowserConfig, CrawlerRunConfig, JsonCssExtractionStrategy
from sdk import CoreSDK

FIELDS = [
    {"name": "name", "type": "text"},
    {"name": "price", "type": "attribute", "attribute": "data-price"},
]
EXTRACTION = JsonCssExtractionStrategy({"name": "items", "baseSelector": ".item", "fields": FIELDS})


async def main():
    import json

    url = CoreSDK.Parameter.get_input_json_dict()["url"]
    address = f"ws://{os.environ['PROXY_AUTH']}@{os.environ['ChromeWs']}"  # noqa: SIM112
    browser = BrowserConfig(cdp_url=address, browser_mode="cdp")
    wait = CrawlerRunConfig(wait_for="css:.item", extraction_strategy=EXTRACTION)
    async with AsyncWebCrawler(config=browser) as crawler:
        result = await crawler.arun(url, config=wait)
    for row in json.loads(result.extracted_content):
        CoreSDK.Result.push_data({"name": row["name"], "price": int(row["price"])})


asyncio.run(main())
