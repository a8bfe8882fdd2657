"""Website content crawler: reads the input, crawls, and ends with a code that says how it went.

0 when at least one page was fetched; 1 when none was, with the reason as the last line of stderr.
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
from sdk import CoreSDK, SDKError

FORMATS = {"string": "text"}


class PlatformSink:
    """Rows and log lines to the platform."""

    def row(self, row):
        """Store a row; the reason when the platform did not take it."""
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
    """The extraction, imported while the first answer is on its way."""
    from crawler.extract import extract as read

    return read(*arguments)


def crawl(wanted, sink):
    """Crawl with these settings and return the exit code."""
    started = time.monotonic()
    proxy = proxy_from(dict(os.environ))
    fetcher = Fetcher(proxy, wanted.user_agent, wanted.timeout, wanted.max_concurrency)
    work = Crawl(wanted, fetcher.get, extract, sink)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: work.stop())
    sink.info(
        f"crawling {', '.join(wanted.start_urls[:5])}: at most {wanted.max_results} pages, "
        f"{wanted.max_depth} links deep, staying on the {wanted.stay_on}"
    )
    work.run()
    if work.beyond:
        sink.warn(f"{work.beyond} more addresses were found than one task can remember")
    skipped = "".join(f", {count} {reason}" for reason, count in work.skipped.items())
    sink.info(
        f"done: {work.rows} rows, {work.fetched} pages fetched{skipped}, "
        f"{work.waiting()} known pages left, {time.monotonic() - started:.1f} s"
    )
    if work.fetched:
        return 0
    return fail(f"no page could be fetched: {work.problem or 'it was stopped before the first'}")


def fail(reason):
    """Say why as the last line of stderr."""
    print(reason, file=sys.stderr, flush=True)
    return 1


def main():
    try:
        wanted = settings.read(CoreSDK.Parameter.get_input_json_dict())
    except settings.BadInput as error:
        return fail(str(error))
    CoreSDK.Result.set_table_header(columns())
    return crawl(wanted, PlatformSink())


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    # threads may still wait for a slow site; do not wait for them
    os._exit(code)
