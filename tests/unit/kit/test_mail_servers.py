from __future__ import annotations

import pytest

from fyke.kit.mail_servers import check_sender, parse_server


@pytest.mark.parametrize(
    "url", ["", "http://a.example", "smtp://", "smtp://a.example:x", "smtp://a:99999", "a.example"]
)
def test_a_server_that_does_not_speak_smtp(url: str) -> None:
    with pytest.raises(ValueError, match="must"):
        parse_server(url)


def test_ports_that_are_not_named() -> None:
    assert parse_server("smtp://a.example").port == 587
    assert parse_server("smtps://a.example").port == 465


@pytest.mark.parametrize("char", ["\r", "\n", "\x0b", "\x1c", "\x85", "\u2028"])
def test_a_sender_has_one_line(char: str) -> None:
    assert check_sender("Fyke Älerts <a@b.example>")
    with pytest.raises(ValueError, match="must be an email address"):
        check_sender(f"Fyke{char}Alerts <a@b.example>")
