"""Runs a spider of this Scrapy project, and stores its items."""

from itemadapter import ItemAdapter
from scrapy.crawler import CrawlerProcess
from scrapy.utils.project import get_project_settings
from sdk import CoreSDK


class PushRows:
    def process_item(self, item):
        CoreSDK.Result.push_data(ItemAdapter(item).asdict())
        return item


def main():
    task = CoreSDK.Parameter.get_input_json_dict()
    settings = get_project_settings()
    settings.set("ITEM_PIPELINES", {**settings.getdict("ITEM_PIPELINES"), PushRows: 900})
    process = CrawlerProcess(settings)
    crawler = process.create_crawler(task.get("spider") or "quotes")
    process.crawl(crawler, **task.get("arguments") or {})
    process.start()
    errors = crawler.stats.get_value("log_count/ERROR", 0)
    if errors or not crawler.stats.get_value("item_scraped_count"):
        raise SystemExit(f"{errors} errors, or no item; the log says why")


if __name__ == "__main__":
    main()
