"""The labels of the audit log."""

from __future__ import annotations

from fyke.console.audit_labels import audit_action_labels
from fyke.model.audit import AuditAction


def test_every_action_has_its_own_label() -> None:
    labels = audit_action_labels()
    assert set(labels) == set(AuditAction)
    assert len(set(labels.values())) == len(labels)
