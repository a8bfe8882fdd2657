"""Texts of Workers and sites cannot change the page of a diagnosis."""

from __future__ import annotations

import json
from dataclasses import replace

from fyke.api.diagnosis.markdown import Markdown, table
from fyke.api.diagnosis.tables import requests_csv, seen_requests, usage_csv
from fyke.domain.secrets.masking import Masker
from fyke.model.run import UsageSample

TOKEN = "sk_live_1234|abcd`ef"
MARK = Markdown(str)


def test_text_in_a_line_stays_code_in_its_cell() -> None:
    assert MARK.code("a `b` | c\n# d\x1b[31m") == "`a 'b' ¦ c # d`"
    assert MARK.code("") == "-" and MARK.code(7) == "`7`"
    assert MARK.code("x" * 1000) == "`" + "x" * 299 + "…`"


def test_a_block_cannot_be_ended_by_its_text() -> None:
    assert MARK.block("a\n````\n# b\n") == "`````text\na\n````\n# b\n`````"


def test_a_sentence_has_no_markup() -> None:
    assert MARK.escaped("*a* [b](c) <i>\n`d`") == r"\*a\* \[b\](c) \<i\> \`d\`"
    assert table(("x", "y"), [("1", "2")]) == "| x | y |\n| --- | --- |\n| 1 | 2 |"


def test_secrets_are_found_before_a_text_is_changed() -> None:
    mark = Markdown(Masker({"key": TOKEN}).text)
    texts = (f"a {TOKEN}", "x" * 290 + TOKEN, "x" * 3990 + TOKEN, f"a {TOKEN[:9]}\x1b[m{TOKEN[9:]}")
    for text in texts:
        for written in (mark.code(text), mark.escaped(text), mark.cell(text), mark.block(text)):
            assert "sk" not in written, written


def test_requests_are_read_from_a_har_file_as_far_as_they_are_there() -> None:
    assert seen_requests(b"{") == seen_requests(b"[]") == seen_requests(b'{"log": {}}') == []
    entry = {"request": {"url": "=x", "more": 1}, "response": {"_error": "net::ERR"}}
    [one] = seen_requests(json.dumps({"log": {"entries": [entry]}}).encode())
    assert one.failed and one.response.error == "net::ERR"
    assert requests_csv([one]).splitlines()[1] == b",,'=x,,0,net::ERR,0,0,0,0"


def test_the_usage_curve_is_a_table() -> None:
    line = usage_csv([UsageSample("r", 1_700_000_000_000, 1, 2, 3, 4, 5)]).splitlines()[1]
    assert line == b"2023-11-14T22:13:20.000+00:00,1,2,5,3,4"


def test_memory_that_was_never_read_is_not_said_to_be_zero() -> None:
    sample = UsageSample("r", 1_700_000_000_000, 1, 0, 3, 4, 5)
    assert usage_csv([sample], peak=9).splitlines()[1].endswith(b"+00:00,1,,5,3,4")
    for samples, peak in (([sample], 0), ([sample, replace(sample, memory_bytes=7)], 9)):
        assert usage_csv(samples, peak).splitlines()[1].endswith(b"+00:00,1,0,5,3,4")
