"""Stores the quotes of a site, page by page, with Scrapy."""

import scrapy
from scrapy.crawler import CrawlerProcess
from sdk import CoreSDK


class Quotes(scrapy.Spider):
    name = "quotes"
    left = 30  # how many rows may still be stored

    def parse(self, response):
        quotes = response.css(".quote")[: self.left]
        self.left -= len(quotes)
        for quote in quotes:
            row = {key: quote.css(f".{key}::text").get() for key in ("text", "author")}
            yield {**row, "tags": quote.css(".tag::text").getall(), "url": response.url}
        yield from response.follow_all(css=".next a") if self.left else ()


class PushRows:
    def process_item(self, item):
        CoreSDK.Result.push_data(item)
        return item


def main():
    task = CoreSDK.Parameter.get_input_json_dict()
    url = task.get("url") or "https://quotes.toscrape.com/"
    process = CrawlerProcess({"ITEM_PIPELINES": {PushRows: 300}, "LOG_LEVEL": "INFO"})
    crawler = process.create_crawler(Quotes)
    process.crawl(crawler, start_urls=[url], left=task.get("max_results") or 30)
    process.start()
    get = crawler.stats.get_value
    problems = get("log_count/ERROR") or get("httperror/response_ignored_count")
    if problems or not get("item_scraped_count"):
        raise SystemExit("a page failed, or no quote was found; the log says why")


if __name__ == "__main__":
    main()
