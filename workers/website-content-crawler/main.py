"""Website content crawler: reads the input and crawls.

The exit code is 0 when at least one page was fetched; otherwise 1, with the reason as the last line
of stderr.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

from crawler import settings
from crawler.crawl import Crawl
from crawler.fetch import Fetcher, proxy_from
from crawler.labels import counted
from sdk import CoreSDK, SDKError

FORMATS = {"string": "text"}


class PlatformSink:
    """Sends rows and log lines to the platform."""

    def row(self, row):
        """Store a row; return the reason when the platform refused it, otherwise ""."""
        try:
            CoreSDK.Result.push_data(row)
        except SDKError as error:
            return str(error)
        return ""

    def info(self, text):
        CoreSDK.Log.info(text)

    def warn(self, text):
        CoreSDK.Log.warn(text)


def columns():
    """The columns of the output schema, as headers of the table."""
    schema = json.loads(Path(__file__).with_name("output_schema.json").read_text("utf-8"))
    return [
        {
            "key": column["name"],
            "label": column["description"],
            "format": FORMATS.get(column["type"], column["type"]),
        }
        for column in schema
    ]


def extract(*arguments):
    """Extract a page. The module is imported here, after the first request was sent."""
    from crawler.extract import extract as extract_page

    return extract_page(*arguments)


def browser_of(config, fetcher):
    """The function that fetches a page with the browser, or None if none is wanted."""
    if config.render == settings.NEVER:
        return None
    from crawler.browser import Browser

    address = os.environ.get("BROWSER_WS", "")
    return Browser(address, fetcher.get, config.user_agent, config.timeout).get


def crawl(config, sink):
    """Crawl and return the exit code."""
    started = time.monotonic()
    proxy = proxy_from(dict(os.environ))
    fetcher = Fetcher(proxy, config.user_agent, config.timeout, config.max_concurrency)
    crawler = Crawl(config, fetcher.get, browser_of(config, fetcher), extract, sink)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: crawler.stop())
    sink.info(
        f"crawling {', '.join(config.start_urls[:5])}: at most "
        f"{counted(config.max_results, 'row')}, {counted(config.max_depth, 'link')} deep, "
        f"staying on the {config.stay_on}"
    )
    crawler.run()
    if crawler.dropped:
        sink.warn(f"{crawler.dropped} addresses were dropped: one task has too many of them")
    sink.info(f"done: {crawler.summary()}, {time.monotonic() - started:.1f} s")
    if crawler.fetched:
        return 0
    reason = crawler.problem or "the crawl was stopped before the first page"
    return fail(f"no page could be fetched: {reason}")


def fail(reason):
    """Print the reason as the last line of stderr; return the exit code."""
    print(reason, file=sys.stderr, flush=True)
    return 1


def main():
    try:
        config = settings.read(CoreSDK.Parameter.get_input_json_dict())
    except settings.BadInput as error:
        return fail(str(error))
    CoreSDK.Result.set_table_header(columns())
    return crawl(config, PlatformSink())


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    # do not wait for threads that wait for a slow site
    os._exit(code)
