"""Output and requests of ``fyke mail``."""

from __future__ import annotations

import io
import json
import sys
from typing import Any

import msgspec
import pytest

from fyke.cli import mail
from fyke.cli.errors import CommandFailed, Exit
from fyke_client.types.fyke.mail import MailServerItem, MailTestResult
from support.scripted import ScriptedServer

SERVER = MailServerItem(
    version=2, origin="operator", host="mail.example", port=587, tls="starttls", user="fyke",
    has_password=True, sender="fyke@mail.example", unreadable=False,
)  # fmt: skip
NONE = msgspec.structs.replace(SERVER, origin="none", host="", port=0, user="", sender="")


@pytest.fixture
def password(monkeypatch: pytest.MonkeyPatch) -> None:
    """A password on standard input, with a line break."""

    class Piped:
        buffer = io.BytesIO(b"p@ss\n")

        @staticmethod
        def isatty() -> bool:
            return False

    monkeypatch.setattr(sys, "stdin", Piped)


def test_the_mail_server_is_shown_without_its_password() -> None:
    server: Any = ScriptedServer(mail_server=SERVER)
    mail.show(server)
    for part in ("mail.example:587", "starttls", "stored", "fyke@mail.example", "fyke mail set"):
        assert part in server.data, part
    server = ScriptedServer(mail_server=NONE)
    mail.show(server)
    assert server.data == "" and "no mail server" in server.messages
    server = ScriptedServer(as_json=True, mail_server=NONE)
    mail.show(server)
    assert json.loads(server.data)["origin"] == "none"


@pytest.mark.usefixtures("password")
def test_the_password_comes_from_standard_input() -> None:
    server: Any = ScriptedServer(set_mail_server=SERVER)
    mail.set_server(server, "mail.example", 0, "starttls", "fyke", "")
    values = {"port": 0, "tls": "starttls", "user": "fyke", "password": "p@ss", "sender": ""}
    assert server.client.calls == [("set_mail_server", "mail.example", values)]
    assert "p@ss" not in server.data + server.messages


@pytest.mark.parametrize(("user", "keep"), [("", False), ("fyke", True)])
def test_no_password_is_asked_for_without_need(user: str, keep: bool) -> None:
    server: Any = ScriptedServer(set_mail_server=SERVER)
    mail.set_server(server, "10.0.0.5", 25, "none", user, "a@b.example", keep)
    [(_name, _host, values)] = server.client.calls
    assert values["password"] is None


def test_a_test_shows_the_answer_and_fails_without_acceptance() -> None:
    taken = MailTestResult("ada@example.org", True, 250, "queued", "", 9)
    server: Any = ScriptedServer(test_mail_server=taken)
    mail.test(server, "ada@example.org")
    assert "250 queued" in server.messages
    for refused, text in (
        (MailTestResult("ada@example.org", False, 535, "wrong", "", 9), "535 wrong"),
        (MailTestResult("ada@example.org", False, 0, "", "timed out", 9), "timed out"),
    ):
        with pytest.raises(CommandFailed, match=text) as caught:
            mail.test(ScriptedServer(test_mail_server=refused))  # type: ignore[arg-type]
        assert caught.value.code is Exit.FAILED


def test_the_mail_server_is_removed() -> None:
    server: Any = ScriptedServer(remove_mail_server=NONE)
    mail.remove(server)
    assert server.client.calls == [("remove_mail_server",)]
