"""XML, RSS and HTML are valid for real validators and a strict parser."""

from __future__ import annotations

from typing import Any

import html5lib
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from support.examples import examples
from support.exports import dump, exported, rows_of
from support.feeds import ITEMS, RSS, validated

pytestmark = pytest.mark.anyio

NASTY: list[dict[str, Any]] = [
    {"title": "A & B <script>alert(1)</script>", "url": "https://a.example/?x=1&y=<2>"},
    {"title": "]]>", "<k>": "v", "xml": 1, "a b": None, "": "", "é": [1, {"<": ">"}]},
    {"link": "javascript:alert(1)", "name": "\u0000\u0001\ufffe\r\n\t"},
    {"title": " \n ", "url": 'https://a.example/with space and ü "quotes"'},
    {},
    {"title": "x" * 5000, "a": {"b": "\u2028 </td></table>"}},
]
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.text(st.characters(exclude_categories=["Cs"]), max_size=3), inner, max_size=2
        )
    ),
    max_leaves=4,
)
KEY = st.sampled_from(["title", "url", "name", "a:b", "xml", "1", "<", "é", "\u0000", "-"])


async def test_rss_is_valid(anyio_backend: str) -> None:
    root = validated(RSS, await exported("rss", rows_of(*NASTY)))
    assert len(root.findall("channel/item")) == len(NASTY)
    links = [item.findtext("link") for item in root.iter("item")]
    assert links[2] is None
    assert len({item.findtext("guid") for item in root.iter("item")}) == len(NASTY)


async def test_an_empty_feed_is_valid(anyio_backend: str) -> None:
    validated(RSS, await exported("rss", [], title="<&>"))


async def test_xml_is_valid(anyio_backend: str) -> None:
    root = validated(ITEMS, await exported("xml", rows_of(*NASTY)))
    assert len(root.findall("item")) == len(NASTY)


@examples(100)
@given(st.lists(st.dictionaries(KEY, VALUE, max_size=4), max_size=4))
async def test_xml_and_rss_of_any_rows_are_valid(values: list[dict[str, Any]]) -> None:
    rows = rows_of(*map(dump, values))
    validated(RSS, await exported("rss", rows))
    validated(ITEMS, await exported("xml", rows))


async def test_the_validator_refuses_other_xml_than_a_feed() -> None:
    whole = await exported("rss", rows_of(*NASTY))
    for wrong in (
        whole.replace(b' version="2.0"', b""),
        whole.replace(b"<link>urn:fyke", b"<link>nowhere/"),
        whole.replace(b"isPermaLink", b"is"),
        whole.replace(b" GMT</pubDate>", b"</pubDate>"),
        whole.replace(b"<item>", b"<item><x/>"),
    ):
        assert wrong != whole
        with pytest.raises(etree.DocumentInvalid):
            validated(RSS, wrong)


async def test_html_has_no_error_for_a_strict_parser(anyio_backend: str) -> None:
    data = await exported("html", rows_of(*NASTY))
    parser = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False)
    root = parser.parse(data.decode())
    assert len(root.findall("body/table/tbody/tr")) == len(NASTY)
    assert root.findall(".//script") == []
