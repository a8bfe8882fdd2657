"""Markdown becomes HTML within limits."""

from __future__ import annotations

from fyke.kit.markdown import MAX_CHARS, MAX_COLUMNS, render


def table(columns: int) -> str:
    return "|" + "a|" * columns + "\n|" + "-|" * columns + "\n"


def test_the_columns_of_a_table_are_limited() -> None:
    assert render(table(MAX_COLUMNS)).count("<th>") == MAX_COLUMNS
    assert "<table>" not in render(table(MAX_COLUMNS + 1))
    assert "<table>" in render("| a | b |\n| - | - |\n" + "| x | y |\n" * 60)


def test_a_long_text_is_cut() -> None:
    assert render("x" * (MAX_CHARS + 1)) == f"<p>{'x' * MAX_CHARS}</p>\n"


def test_the_nesting_of_blocks_and_links_is_limited() -> None:
    assert render("> " * 200 + "a").count("<blockquote>") < 25
    assert render("[" * 1000 + "a" + "](b)" * 1000).count("<a ") <= 1


def test_front_matter_is_left_out() -> None:
    body = "<h1>One</h1>\n"
    for start in (
        "---\ntitle: A\n---\n",
        "---\na: b\nc:\n  - d\n...\n",
        "\ufeff---\r\na: b\r\n---\r\n",
    ):
        assert render(f"{start}# One") == body
    assert render("---\n\ntext\n\n---\n").count("<hr />") == 2


def test_html_is_kept_only_when_asked_for() -> None:
    assert render("<b>a</b>", html=True) == "<p><b>a</b></p>\n"
    assert render("<b>a</b>") == "<p>&lt;b&gt;a&lt;/b&gt;</p>\n"
