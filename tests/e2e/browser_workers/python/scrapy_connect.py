import os

import scrapy
from scrapy.crawler import CrawlerProcess
from scrapy_playwright.page import PageMethod
from sdk import CoreSDK

HANDLER = "scrapy_playwright.handler.ScrapyPlaywrightDownloadHandler"
URL = CoreSDK.Parameter.get_input_json_dict()["url"]


class Items(scrapy.Spider):
    name = "items"

    async def start(self):
        wait = PageMethod("wait_for_selector", ".item")
        meta = {"playwright": True, "playwright_page_methods": [wait]}
        yield scrapy.Request(URL, meta=meta)

    def parse(self, response):
        for item in response.css(".item"):
            name, price = item.css("::text").get(), int(item.attrib["data-price"])
            CoreSDK.Result.push_data({"name": name, "price": price})


crawler = CrawlerProcess(
    {
        "DOWNLOAD_HANDLERS": {"http": HANDLER, "https": HANDLER},
        "TWISTED_REACTOR": "twisted.internet.asyncioreactor.AsyncioSelectorReactor",
        "PLAYWRIGHT_CDP_URL": f"ws://{os.environ['PROXY_AUTH']}@{os.environ['ChromeWs']}",  # noqa: SIM112
    }
)
crawler.crawl(Items)
crawler.start()
