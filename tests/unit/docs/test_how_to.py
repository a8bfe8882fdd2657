"""The how-to pages are correct: outcomes, sentences, fields, settings, and code that runs."""

from __future__ import annotations

import re
import time
import tomllib
from pathlib import Path
from typing import Any

import pytest

from fyke.domain.callbacks.payload import Payload
from fyke.domain.callbacks.signing import headers, secret_for
from fyke.domain.runs.outcome import OUTCOMES
from fyke.model.run import Outcome
from fyke.reasons.texts import SENTENCES
from fyke.settings import Settings

PAGES = Path(__file__).parents[3] / "docs" / "how-to"
BODY = b'{"run_slug":"01KSFDS8XWTJME33C08XMCR6B9"}'
SECRET = secret_for(b"master", "account")


def text_of(name: str) -> str:
    return (PAGES / name).read_text(encoding="utf-8")


def test_every_outcome_is_explained_with_its_codes_and_sentences() -> None:
    page = text_of("why-a-run-failed.md")
    parts = dict(re.findall(r"^## `(\w+)`\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL))
    assert set(parts) == {outcome.value for outcome in Outcome}
    for code, outcome in OUTCOMES.items():
        for form in SENTENCES[code]:
            named = re.sub(r"_(?:micros|bytes)(?=\)s (?:USD|MB))", "", form)  # converted when shown
            shown = re.sub(r"%\((\w+)\)s", r"{\1}", named)
            assert f"| `{code}` | {shown} |\n" in parts[outcome.value]


def test_the_callback_page_names_every_field() -> None:
    page = text_of("callbacks.md")
    assert all(f"`{name}`" in page for name in Payload.__annotations__)


@pytest.fixture
def verify() -> Any:
    """The function of the page."""
    found = re.search(r"```python\n(.*?)```", text_of("callbacks.md"), re.DOTALL)
    assert found is not None
    names: dict[str, Any] = {}
    exec(found[1], names)
    return names["verify"]


def test_the_shown_check_accepts_signatures_of_fyke(verify: Any) -> None:
    assert verify(SECRET, headers(SECRET, "msg_1", int(time.time()), BODY), BODY) is None


@pytest.mark.parametrize(
    ("secret", "body", "age"),
    [
        (secret_for(b"master", "another"), BODY, 0),
        (SECRET, BODY + b" ", 0),
        (SECRET, BODY, 301),
        (SECRET, BODY, -302),
    ],
    ids=["another secret", "another body", "too old", "from the future"],
)
def test_the_shown_check_rejects_invalid_signatures(
    verify: Any, secret: str, body: bytes, age: int
) -> None:
    signed = headers(secret, "msg_1", int(time.time()) - age, BODY)
    with pytest.raises(ValueError, match=r"signature|too old"):
        verify(SECRET, signed, body)


@pytest.mark.parametrize("secret", ["", "whsec_"])
def test_the_shown_check_needs_a_secret(verify: Any, secret: str) -> None:
    signed = headers(SECRET, "msg_1", int(time.time()), BODY)
    with pytest.raises(ValueError, match="there is no secret"):
        verify(secret, signed, BODY)


@pytest.mark.parametrize(
    "page",
    sorted([*PAGES.glob("*.md"), *(PAGES.parent / "recipes").glob("*.md")]),
    ids=lambda page: page.stem,
)
def test_shown_settings_exist_and_are_accepted(page: Path, tmp_path: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = set(re.findall(r"FYKE_([A-Z_]+)", text)) - {"URL", "KEY", "NODE_TOKEN"}
    assert {name.lower() for name in named} <= set(Settings.model_fields)
    for shown in re.findall(r"^ *```toml\n(.*?)```", text, re.MULTILINE | re.DOTALL):
        content = re.sub(r"^   ", "", shown, flags=re.MULTILINE) if shown[:1] == " " else shown
        assert set(tomllib.loads(content)) <= set(Settings.model_fields)
        (tmp_path / "config.toml").write_text(content, encoding="utf-8")
        assert Settings(home=tmp_path).home == tmp_path
