import asyncio

from crawlee.crawlers import PlaywrightCrawler
from sdk import CoreSDK


async def main():
    crawler = PlaywrightCrawler(max_requests_per_crawl=1)

    @crawler.router.default_handler
    async def read(context):
        await context.page.wait_for_selector(".item")
        for item in await context.page.query_selector_all(".item"):
            price = int(await item.get_attribute("data-price"))
            CoreSDK.Result.push_data({"name": await item.inner_text(), "price": price})

    await crawler.run([CoreSDK.Parameter.get_input_json_dict()["url"]])


asyncio.run(main())
