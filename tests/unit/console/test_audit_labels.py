"""The words of the audit log."""

from __future__ import annotations

from fyke.console.audit_labels import audit_action_labels
from fyke.model.audit import AuditAction


def test_every_act_has_words_of_its_own() -> None:
    names = audit_action_labels()
    assert set(names) == set(AuditAction)
    assert len(set(names.values())) == len(names)
