"""Severities and entries from the lines of a Worker."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fyke.model.log import LogType
from fyke.runner.entries import StreamEntries, severity

DEBUG, INFO, WARN, ERROR = LogType.DEBUG, LogType.INFO, LogType.WARN, LogType.ERROR


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        # logging
        ("WARNING:root:page 3 is empty", WARN),
        ("INFO:httpx:HTTP Request: GET https://shop.example", INFO),
        ("2026-11-27 12:00:00,123 - shop.reader - ERROR - no price", ERROR),
        ("2026-11-27 12:00:00,123 INFO reading", INFO),
        ("[2026-11-27 12:00:00,123] CRITICAL in app: stop", ERROR),
        ("[INFO] reading", INFO),
        ("DEBUG: reading", DEBUG),
        # loguru
        ("2026-11-27 12:00:00.123 | INFO     | __main__:<module>:5 - reading", INFO),
        ("2026-11-27 12:00:00.123 | SUCCESS  | __main__:<module>:5 - done", INFO),
        ("\x1b[32m2026-11-27 12:00:00.123\x1b[0m | \x1b[31m\x1b[1mERROR   \x1b[0m | m - no", ERROR),
        # Scrapy, crawlee, structlog
        ("2026-11-27 12:00:00 [scrapy.core.engine] INFO: Spider opened", INFO),
        ("2026-11-27 12:00:00 [scrapy.core.scraper] ERROR: Spider error processing", ERROR),
        ("[crawlee.crawlers._basic] INFO  Current request statistics:", INFO),
        ("\x1b[32mINFO\x1b[39m  CheerioCrawler: Starting the crawler.", INFO),
        ("2026-11-27 12:00:00 [warning  ] no price   page=3", WARN),
        # pino and others with JSON; pino-pretty
        ('{"level":30,"time":1795780800000,"pid":7,"hostname":"worker","msg":"reading"}', INFO),
        ('{"level":50,"time":1795780800000,"msg":"no price"}', ERROR),
        ('{"level":20,"msg":"x"}', DEBUG),
        ('{"message":"x","level":"warn"}', WARN),
        ("[12:00:00.123] FATAL (7): stop", ERROR),
        # Go
        ("2026/11/27 12:00:00 WARN no price page=3", WARN),
        ("time=2026-11-27T12:00:00.000Z level=ERROR msg=stop", ERROR),
        # no severity
        ("reading page 3", None),
        ("Error in page 3", None),
        ("INFORMATION about the shop", None),
        ('{"level":"high","price":3}', None),
        ('{"price":30}', None),
        ("the ERROR was found", None),
        ("2026-11-27", None),
        ("", None),
        ("- " * 5000, None),
    ],
)
def test_the_severity_is_read_from_the_prefixes_of_common_loggers(
    line: str, expected: LogType | None
) -> None:
    assert severity(line) == expected


def entries(*lines: str, default: LogType = WARN) -> list[tuple[LogType, str]]:
    stream = StreamEntries(default)
    found = [entry for line in lines for entry in stream.add(line)]
    return [*found, *stream.rest()]


TRACEBACK = (
    "Traceback (most recent call last):",
    '  File "/work/main.py", line 9, in <module>',
    "    main()",
    "KeyError: 'price'",
)


def test_a_traceback_is_one_error() -> None:
    assert entries("reading", *TRACEBACK, "stopped", "") == [
        (WARN, "reading"),
        (ERROR, "\n".join(TRACEBACK)),
        (WARN, "stopped"),
        (WARN, ""),
    ]
    assert entries(*TRACEBACK, *TRACEBACK) == [(ERROR, "\n".join(TRACEBACK))] * 2
    assert entries(*TRACEBACK, default=INFO) == [(ERROR, "\n".join(TRACEBACK))]


def test_chained_tracebacks_are_one_error() -> None:
    chained = (
        *TRACEBACK,
        "",
        "During handling of the above exception, another exception occurred:",
        "",
        *TRACEBACK,
    )
    assert entries(*chained, "", "x") == [(ERROR, "\n".join(chained)), (WARN, ""), (WARN, "x")]


def test_an_error_of_nodejs_and_its_stack_are_one_error() -> None:
    stack = ("TypeError: fetch failed", "    at main (/work/main.js:3:1) {", "  code: 'X'", "}")
    assert entries(*stack, "", "Node.js v20.20.2") == [
        (ERROR, "\n".join(stack)),
        (WARN, ""),
        (WARN, "Node.js v20.20.2"),
    ]
    assert entries("ValueError: retry", "next", default=INFO) == [
        (INFO, "ValueError: retry"),
        (INFO, "next"),
    ]


@pytest.mark.parametrize(
    "head",
    [
        "Error: no price",
        "AssertionError [ERR_ASSERTION]: 1 == 2",
        "PriceMissing [Error]: no price",
        "Uncaught Error: no price",
    ],
)
def test_every_first_line_of_a_nodejs_stack_is_recognised(head: str) -> None:
    stack = (
        head,
        "    at Object.<anonymous> (/work/main.js:3:1)",
        "    at node:internal/main:28:49",
    )
    assert entries(*stack) == [(ERROR, "\n".join(stack))]


def test_frames_below_another_line_are_one_error() -> None:
    frames = ("    at read (/work/main.js:9:11)", "    at async file:///work/main.js:12:1 {", "}")
    assert entries("MyFault: no price", *frames, "next") == [
        (WARN, "MyFault: no price"),
        (ERROR, "\n".join(frames)),
        (WARN, "next"),
    ]
    assert entries("prices", "    at noon", default=INFO) == [
        (INFO, "prices"),
        (INFO, "    at noon"),
    ]


def test_lines_that_continue_a_record_have_its_severity() -> None:
    assert entries(
        "2026-11-27 12:00:00 [scrapy.statscollectors] INFO: Dumping Scrapy stats:",
        "{'downloader/request_bytes': 233,",
        " 'finish_reason': 'finished'}",
        "Killed",
        "  by hand",
    ) == [
        (INFO, "2026-11-27 12:00:00 [scrapy.statscollectors] INFO: Dumping Scrapy stats:"),
        (INFO, "{'downloader/request_bytes': 233,"),
        (INFO, " 'finish_reason': 'finished'}"),
        (WARN, "Killed"),
        (WARN, "  by hand"),
    ]


def test_the_lines_of_a_table_continue_a_record() -> None:
    table = [
        "\u250c\u2500\u2500\u252c\u2500\u2510",
        "\u2502 requests \u2502 0 \u2502",
        "\u2514\u2500\u2500\u2534\u2500\u2518",
        "\u2554\u2550\u2557",
    ]
    first = "[crawlee.crawlers._playwright] INFO  Final request statistics:"
    assert entries(first, *table) == [(INFO, line) for line in (first, *table)]
    assert entries(*table) == [(WARN, line) for line in table]


def test_an_entry_does_not_grow_without_end() -> None:
    lines = [TRACEBACK[0], *(f"  frame {number}" for number in range(1000))]
    found = entries(*lines)
    assert "\n".join(text for _, text in found) == "\n".join(lines)
    assert max(len(text.split("\n")) for _, text in found) == 200
    for wide in ("x" * 5000, "价" * 2000, "x" * 20_000):
        found = entries(TRACEBACK[0], *["  " + wide] * 9)
        assert {kind for kind, _ in found} == {ERROR}
        assert max(len(text.encode()) for _, text in found) < max(16_000, len(wide) + 3)


def test_lines_wait_only_inside_an_entry() -> None:
    stream = StreamEntries(WARN)
    assert list(stream.add("reading")) == [(WARN, "reading")] and not stream.waiting
    assert list(stream.add(TRACEBACK[0])) == [] and stream.waiting
    assert list(stream.rest()) == [(ERROR, TRACEBACK[0])] and not stream.waiting
    assert list(stream.rest()) == []


@pytest.mark.parametrize("end", [("ValueError: x", "", "next"), ("", "next"), ("", "")])
@pytest.mark.parametrize("frames", range(196, 201))
def test_no_line_is_lost_where_a_traceback_becomes_too_long(
    frames: int, end: tuple[str, ...]
) -> None:
    lines = (TRACEBACK[0], *("  frame",) * frames, *end)
    assert "\n".join(text for _, text in entries(*lines)) == "\n".join(lines)


def test_a_traceback_that_pauses_goes_on_as_an_error() -> None:
    stream = StreamEntries(WARN)
    found = list(stream.add(TRACEBACK[0]))
    found += stream.rest()  # nothing came for a while
    for line in ("", '  File "main.py", line 1', "ValueError: x", "plain"):
        found += stream.add(line)
    assert found == [
        (ERROR, TRACEBACK[0]),
        (WARN, ""),
        (ERROR, '  File "main.py", line 1\nValueError: x'),
        (WARN, "plain"),
    ]


@given(
    st.lists(
        st.sampled_from((*TRACEBACK, "", " ", "  x", "    at f (/m.js:1:1)", "TypeError: x", "}")),
        max_size=60,
    ),
    st.sets(st.integers(0, 60)),
)
def test_every_line_comes_out_once_and_in_order(lines: list[str], pauses: set[int]) -> None:
    stream, found = StreamEntries(WARN), []
    for number, line in enumerate(lines):
        found += stream.add(line)
        found += stream.rest() if number in pauses else ()
    found += stream.rest()
    assert [item for _, text in found for item in text.split("\n")] == lines
