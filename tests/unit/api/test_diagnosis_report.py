"""Texts of Workers and sites cannot change the page of a diagnosis."""

from __future__ import annotations

import json

from fyke.api.diagnosis.markdown import block, code, escaped, table
from fyke.api.diagnosis.tables import requests_csv, seen_requests, usage_csv
from fyke.model.run import UsageSample


def test_text_in_a_line_stays_code_in_its_cell() -> None:
    assert code("a `b` | c\n# d\x1b[31m") == "`a 'b' ¦ c # d`"
    assert code("") == "-" and code(7) == "`7`"
    assert code("x" * 1000) == "`" + "x" * 299 + "…`"


def test_a_block_cannot_be_ended_by_its_text() -> None:
    assert block("a\n````\n# b\n") == "`````text\na\n````\n# b\n`````"


def test_a_sentence_has_no_markup() -> None:
    assert escaped("*a* [b](c) <i>\n`d`") == r"\*a\* \[b\](c) \<i\> \`d\`"
    assert table(("x", "y"), [("1", "2")]) == "| x | y |\n| --- | --- |\n| 1 | 2 |"


def test_requests_are_read_from_a_har_file_as_far_as_they_are_there() -> None:
    assert seen_requests(b"{") == seen_requests(b"[]") == seen_requests(b'{"log": {}}') == []
    entry = {"request": {"url": "=x", "more": 1}, "response": {"_error": "net::ERR"}}
    [one] = seen_requests(json.dumps({"log": {"entries": [entry]}}).encode())
    assert one.failed and one.response.error == "net::ERR"
    assert requests_csv([one]).splitlines()[1] == b",,'=x,,0,net::ERR,0,0,0,0"


def test_the_usage_curve_is_a_table() -> None:
    line = usage_csv([UsageSample("r", 1_700_000_000_000, 1, 2, 3, 4, 5)]).splitlines()[1]
    assert line == b"2023-11-14T22:13:20.000+00:00,1,2,5,3,4"
