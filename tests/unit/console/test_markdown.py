"""Any README becomes safe HTML."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from lxml import html

from fyke.console.markdown import UntrustedMarkdown, in_regions, to_html, with_code
from fyke.errors import RateLimited, TooComplex
from fyke.parsing.pools import ThreadPool

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[a](javascript:alert(1))",
    "[a](JaVaScRiPt:alert(1))",
    "[a](data:text/html,<script>alert(1)</script>)",
    "[a](vbscript:x)",
    "![a](https://evil.example/p.png)",
    "![a][b]\n\n[b]: https://evil.example/p.png",
    "<a href=x onclick=alert(1)>b</a>",
    "<style>*{display:none}</style>",
    "<iframe src=https://evil.example></iframe>",
    "```html\n<script>alert(1)</script>\n```",
    "<svg/onload=alert(1)>",
    '[x](https://a.example "onmouseover=alert(1)")',
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_markdown_contains_no_code_and_loads_nothing(text: str) -> None:
    tree = html.fragment_fromstring(str(to_html(text)), create_parent="div")
    allowed = {"div", "p", "a", "pre", "code", "h2", "h3", "ul", "ol", "li", "em", "strong"}
    for element in tree.iter():
        assert element.tag in allowed, element.tag
        assert not [name for name in element.attrib if name.startswith("on") or name == "src"]
        if element.tag == "a" and element.get("href"):
            assert element.get("href").startswith(("https:", "http:", "mailto:")), element.attrib
            assert "noopener" in element.get("rel", "")


def test_headings_start_at_level_two() -> None:
    assert str(to_html("# One\n\n###### Six\n")).split() == ["<h2>One</h2>", "<h6>Six</h6>"]


def test_an_image_becomes_a_link() -> None:
    assert 'href="https://a.example/p.png"' in to_html("![shown](https://a.example/p.png)")


def test_tables_and_code_are_kept() -> None:
    made = to_html("| a | b |\n| - | - |\n| 1 | `x` |\n")
    assert "<table>" in made and "<code>x</code>" in made


class CountingPool(ThreadPool):
    """Counts calls, and fails as often as requested."""

    def __init__(self, *errors: Exception) -> None:
        self.accounts: list[str] = []
        self.errors = list(errors)

    async def run(self, account_id: str, function: Any, *args: Any, **more: Any) -> Any:
        self.accounts.append(account_id)
        if self.errors:
            raise self.errors.pop()
        return await super().run(account_id, function, *args, **more)


@pytest.mark.anyio
async def test_a_text_is_rendered_once_for_all_visitors() -> None:
    pool = CountingPool()
    markdown = UntrustedMarkdown(pool)
    pages = await asyncio.gather(*(markdown.to_html("a", "# One") for _ in range(5)))
    assert set(pages) == {to_html("# One")}
    assert await markdown.to_html("b", "# One") == pages[0]
    assert pool.accounts == ["a"]
    assert await markdown.to_html("a", " \n") == ""


@pytest.mark.anyio
async def test_a_text_that_is_too_complex_is_shown_as_it_is() -> None:
    pool = CountingPool(TooComplex(), RateLimited(5))
    markdown = UntrustedMarkdown(pool)
    plain = "<pre># &lt;One&gt;</pre>"
    assert await markdown.to_html("a", "# <One>") == plain
    assert await markdown.to_html("a", "# <One>") == plain  # tried again, and refused for good
    assert await markdown.to_html("a", "# <One>") == plain
    assert pool.accounts == ["a", "a"]


@pytest.mark.anyio
async def test_the_cache_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fyke.console.markdown._CACHED_CHARS", 40)
    pool = CountingPool()
    markdown = UntrustedMarkdown(pool)
    for text in ("one", "two", "three", "two", "one"):
        await markdown.to_html("a", text)
    assert len(pool.accounts) == 4  # the first was dropped for the third


def test_tables_and_code_scroll_in_areas_named_after_their_headings() -> None:
    text = "| |\n|---|\n| b |\n\n# Sizes & `units`\n\n```\nx\n```\n\n| c |\n|---|\n| d |\n"
    tree = html.fragment_fromstring(str(in_regions(to_html(text), "Reader")), create_parent="div")
    areas = tree.xpath("//*[@role='region'][@tabindex='0']")
    assert [(area.tag, area.get("aria-label")) for area in areas] == [
        ("div", "Reader"),
        ("pre", "Sizes & units"),
        ("div", "Sizes & units (2)"),
    ]
    assert len(tree.xpath("//div[@role='region']/table")) == 2
    assert tree.xpath("count(//th)") == 1, "an empty one is no header"


def test_code_in_a_line_is_marked_and_the_rest_escaped() -> None:
    text = with_code("`owner~name` or `<b>`, <i> and `")
    assert text == "<code>owner~name</code> or <code>&lt;b&gt;</code>, &lt;i&gt; and `"


def test_a_heading_cannot_leave_the_name_of_an_area() -> None:
    text = '# a" onfocus="alert(1)\n\n```\nx\n```\n'
    tree = html.fragment_fromstring(str(in_regions(to_html(text), "Reader")), create_parent="div")
    assert tree.xpath("//pre")[0].attrib == {
        "role": "region", "aria-label": 'a" onfocus="alert(1)', "tabindex": "0",
    }  # fmt: skip
