"""The limited output of a tool."""

from __future__ import annotations

from fyke.sandbox.tools.output import MAX_TEXT, BoundedText, ToolOutput


def test_text_keeps_both_ends_and_no_credentials() -> None:
    text = BoundedText()
    text.add("first https://user:secret@host/x\n")
    for _ in range(40):
        text.add("x" * 10_000)
    text.add("last\0")
    result = text.text()
    assert result.startswith("first https://***@host/x")
    assert result.endswith("last")
    assert "[...]" in result
    assert len(result) <= 2 * MAX_TEXT + 10


def test_characters_may_be_split_between_chunks() -> None:
    output = ToolOutput()
    for byte in "a\u00e9\u4e2d".encode():
        output.add("stdout", bytes([byte]))
        output.add("stderr", b".")
    assert output.text().replace(".", "") == "a\u00e9\u4e2d"
    assert output.stdout == "a\u00e9\u4e2d".encode()
