from __future__ import annotations

from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fyke.domain.results.export import markup
from fyke.domain.results.export.markup import xml_text
from fyke.domain.results.export.values import text_of
from fyke.model.results import Header
from support.exports import exported, headers, rows_of

pytestmark = pytest.mark.anyio

PAYLOADS = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "]]>",
    "</td></table><h1>",
    "&amp;&lt;",
    "<!--",
    "<?xml?>",
    "javascript:alert(1)",
    "' onmouseover='x",
    "line\r\nbreak\rand\ttab",
    "ünï✓ 😀",
]


# --- XML -----------------------------------------------------------------------------------


async def test_xml_has_an_item_per_row_and_an_element_per_member():
    rows = rows_of(
        b'{"title":"a & b","n":12345678901234567890123,"gone":null,"ok":false,"o":{"a":[1.10]}}',
        b"{}",
    )
    data = await exported("xml", rows)
    assert data == (
        b'<?xml version="1.0" encoding="UTF-8"?>\n<items>\n'
        b"<item><title>a &amp; b</title><n>12345678901234567890123</n><gone/><ok>false</ok>"
        b'<o>{"a":[1.10]}</o></item>\n<item></item>\n</items>\n'
    )


async def test_xml_without_rows():
    assert len(ElementTree.fromstring(await exported("xml", []))) == 0


@pytest.mark.parametrize(
    "key", ["", "1st", "a b", "a:b", "xmlns", "XMLthing", "<x>", 'a"b', "é", "a\nb", "-x", "a&b"]
)
async def test_keys_that_are_not_xml_names_are_attributes(key: str):
    [item] = ElementTree.fromstring(await exported("xml", rows_of({key: "v"})))
    assert (item[0].tag, item[0].attrib, item[0].text) == ("field", {"name": key}, "v")


async def test_selected_members_are_in_order():
    data = await exported("xml", rows_of({"a": 1, "b": 2}, {"b": 3}), headers("b", "a"))
    items = ElementTree.fromstring(data)
    assert [[e.tag for e in item] for item in items] == [["b", "a"], ["b"]]


async def test_forbidden_characters_are_dropped_everywhere():
    row = {"a\x00b": "x\x00\x0b\ufffey"}
    [item] = ElementTree.fromstring(await exported("xml", rows_of(row)))
    assert (item[0].attrib, item[0].text) == ({}, "xy") or item[0].attrib == {"name": "ab"}
    assert item[0].text == "xy"


async def test_many_different_keys_are_not_collected():
    rows = rows_of({f"k{i}": i for i in range(1500)}, {f"k{i}": i for i in range(1500)})
    items = ElementTree.fromstring(await exported("xml", rows))
    assert [len(item) for item in items] == [1500, 1500]


xml_char = st.characters(exclude_categories=["Cs"])


@given(st.text(xml_char))
def test_text_comes_back_from_a_parser_without_what_xml_forbids(text: str):
    read = ElementTree.fromstring(f"<a>{xml_text(text)}</a>".encode()).text or ""
    kept = [c for c in text if c in "\t\n\r" or (c >= " " and c not in "\ufffe\uffff")]
    assert read == "".join(kept)


@pytest.mark.parametrize("payload", PAYLOADS)
async def test_scraped_markup_is_text_in_xml(payload: str):
    [item] = ElementTree.fromstring(await exported("xml", rows_of({payload: payload})))
    assert [e.text for e in item.iter() if e.text] == [payload]
    assert item[0].attrib in ({}, {"name": payload})


# --- HTML ----------------------------------------------------------------------------------


class Table(HTMLParser):
    """Collects the text of cells, and all tags."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self.cells: list[str] = []
        self.tags: list[str] = []
        self.titles: list[str | None] = []
        self.feed(data.decode())
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag in ("td", "th"):
            self.cells.append("")
            self.titles += [value for name, value in attrs if name == "title"]

    def handle_data(self, data):
        if self.tags[-1:] in (["td"], ["th"]):
            self.cells[-1] += data

    def handle_endtag(self, tag):
        self.tags.append("/" + tag)


async def test_html_is_one_table_of_labels_and_values():
    rows = rows_of({"a": "x", "n": 10**40}, {"n": None, "o": {"k": 1}})
    columns = [Header("Label & more", "a", "text"), Header("", "n", "integer"), *headers("o")]
    table = Table(await exported("html", rows, columns))
    assert table.cells == ["Label & more", "n", "O", "x", str(10**40), "", "", "", '{"k":1}']
    assert table.titles == ["a", "n", "o"]
    assert table.tags.count("table") == 1 and table.tags[-3:] == ["/table", "/body", "/html"]


@pytest.mark.parametrize("payload", PAYLOADS)
async def test_scraped_markup_is_text_in_html(payload: str):
    columns = [Header(payload, payload, payload)]
    data = await exported("html", rows_of({payload: payload}), columns, title=payload)
    table = Table(data)
    plain = payload.replace("\r\n", "\n").replace("\r", "\n")
    assert [c.replace("\r\n", "\n").replace("\r", "\n") for c in table.cells] == [plain, plain]
    allowed = {"html", "head", "meta", "title", "style", "body", "h1", "table", "thead", "tbody"}
    assert {t.lstrip("/") for t in table.tags} <= allowed | {"tr", "td", "th"}


async def test_html_drops_characters_that_it_cannot_represent():
    data = await exported("html", rows_of({"a": "x\x00y\x1b"}))
    assert b"<td>xy</td>" in data


@given(
    st.lists(
        st.one_of(
            st.none(),
            st.booleans(),
            st.integers(),
            st.text("ab<>&\"'\x00\ud800 ", max_size=4),
            st.text("abé", max_size=3),
        ),
        max_size=6,
    )
)
def test_the_cells_of_a_column_are_those_of_its_values(column):
    assert list(markup._html_texts(column)) == [markup._html(text_of(value)) for value in column]
