"""The words of the audit log."""

from __future__ import annotations

from fyke.console.audit_words import act_names
from fyke.model.audit import Act


def test_every_act_has_words_of_its_own() -> None:
    names = act_names()
    assert set(names) == set(Act)
    assert len(set(names.values())) == len(names)
