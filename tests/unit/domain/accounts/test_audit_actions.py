"""Each action of the audit log is documented in the API and has a label in the console."""

from __future__ import annotations

from pathlib import Path

from fyke.console.audit_labels import audit_action_labels
from fyke.domain.accounts.audit_actions import MAX_ADDRESS_CHARS, action_of
from fyke.model.account import Caller
from fyke.model.audit import AuditAction

PAGE = Path(__file__).parents[4] / "docs" / "reference" / "api-fyke.md"


def test_the_api_page_names_every_action() -> None:
    section = PAGE.read_text(encoding="utf-8").partition("### `GET /api/fyke/audit`")[2]
    section = section.partition("\n### ")[0]
    assert [act for act in AuditAction if f"`{act}`" not in section] == []


def test_the_console_has_a_label_for_every_action() -> None:
    assert set(audit_action_labels()) == set(AuditAction)
    assert len(set(audit_action_labels().values())) == len(AuditAction)


def test_audit_details_are_bounded() -> None:
    caller = Caller("a", "acme", False, "u", "k", user_name="ada", address="::1")
    entry = action_of(caller, AuditAction.RUN_STARTED, "t" * 9999, "d" * 9999)
    assert (len(entry.target), len(entry.detail)) == (200, 500)
    assert (entry.user_name, entry.key_id, entry.address) == ("ada", "k", "::1")
    assert len("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255%eth0") <= MAX_ADDRESS_CHARS
