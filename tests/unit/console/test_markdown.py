"""Any README becomes safe HTML."""

from __future__ import annotations

import pytest
from lxml import html

from fyke.console.markdown import to_html

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
