from __future__ import annotations

from xml.etree import ElementTree

import pytest

from fyke.domain.results.headers import data_id
from support.exports import RUN, exported, headers, rows_of

pytestmark = pytest.mark.anyio


async def feed(*values, columns=None, **meta):
    return ElementTree.fromstring(await exported("rss", rows_of(*values), columns, **meta))


async def test_a_feed_is_a_channel_with_the_required_members():
    root = await feed(link="https://fyke.example/runs/1", title="Prices & more")
    assert (root.tag, root.attrib) == ("rss", {"version": "2.0"})
    channel = root[0]
    assert channel.findtext("title") == "Prices & more"
    assert channel.findtext("link") == "https://fyke.example/runs/1"
    assert RUN in channel.findtext("description")
    assert channel.findtext("lastBuildDate") == "Fri, 13 Mar 2026 06:36:24 GMT"
    assert channel.findall("item") == []


async def test_without_a_public_address_the_link_names_the_run():
    assert (await feed()).findtext("channel/link") == f"urn:fyke:run:{RUN}"


async def test_every_row_is_an_item_that_lists_all_members():
    root = await feed(
        {"title": "A <b> & c", "url": "https://shop.example/?a=1&b=2", "n": 10**40},
        {"name": "B", "link": "javascript:alert(1)"},
        {"x": [1, 2]},
        {},
    )
    first, second, third, fourth = root.findall("channel/item")
    assert first.findtext("title") == "A <b> & c"
    assert first.findtext("link") == "https://shop.example/?a=1&b=2"
    assert first.findtext("description") == (
        "<p><b>title</b>: A &lt;b&gt; &amp; c</p>"
        "<p><b>url</b>: https://shop.example/?a=1&amp;b=2</p>"
        f"<p><b>n</b>: {10**40}</p>"
    )
    assert first.find("guid").attrib == {"isPermaLink": "false"}
    assert first.findtext("guid") == data_id(RUN, 1)
    assert (second.findtext("title"), second.find("link")) == ("B", None)
    assert (third.findtext("title"), third.findtext("description")) == (
        "Row 3",
        "<p><b>x</b>: [1,2]</p>",
    )
    assert fourth.findtext("description") == ""


async def test_titles_are_one_short_line():
    root = await feed({"title": "a\nb  c " + "y" * 500})
    title = root.findtext("channel/item/title")
    assert title.startswith("a b c yyy") and len(title) == 200


async def test_only_selected_members_are_in_the_feed():
    root = await feed({"title": "secret", "a": 1, "b": 2}, columns=headers("b", "a", "z"))
    item = root.find("channel/item")
    assert item.findtext("title") == "Row 1"
    assert item.findtext("description") == "<p><b>b</b>: 2</p><p><b>a</b>: 1</p>"
