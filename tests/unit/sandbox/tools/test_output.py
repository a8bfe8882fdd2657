"""The kept output of a tool."""

from __future__ import annotations

from fyke.sandbox.tools.output import MAX_TEXT, BoundedText, ToolOutput


def test_text_keeps_both_ends_and_no_credentials() -> None:
    text = BoundedText()
    text.add("first https://user:secret@host/x\n")
    for _ in range(40):
        text.add("x" * 10_000)
    text.add("last\0")
    said = text.text()
    assert said.startswith("first https://***@host/x")
    assert said.endswith("last")
    assert "[...]" in said
    assert len(said) <= 2 * MAX_TEXT + 10


def test_characters_may_come_in_parts() -> None:
    said = ToolOutput()
    for byte in "a\u00e9\u4e2d".encode():
        said.add("stdout", bytes([byte]))
        said.add("stderr", b".")
    assert said.text().replace(".", "") == "a\u00e9\u4e2d"
    assert said.stdout == "a\u00e9\u4e2d".encode()
