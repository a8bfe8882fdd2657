from __future__ import annotations

from dataclasses import replace

import pytest

from fyke.domain.accounts.rights import require_editor, require_operator, require_scope
from fyke.errors import Forbidden, ScopeMissing
from fyke.model.account import Role, Scope
from support.memory import MemoryStorage, add_account, caller_of


def test_only_the_operator_passes_as_operator():
    storage = MemoryStorage()
    require_operator(caller_of(add_account(storage, "owner", operator=True)), "This")
    with pytest.raises(Forbidden, match="This is for the operator's account only"):
        require_operator(caller_of(add_account(storage, "acme")), "This")


def test_all_missing_scopes_are_named():
    key = replace(caller_of(add_account(MemoryStorage())), scopes=frozenset({Scope.READ}))
    require_scope(key, Scope.READ)
    with pytest.raises(
        ScopeMissing, match=r'with the scope "run", and yours has: read; .* has it$'
    ):
        require_scope(key, Scope.READ, Scope.RUN)
    with pytest.raises(ScopeMissing, match=r'scopes "run" and "write", .* has them$'):
        require_scope(key, Scope.RUN, Scope.WRITE)


@pytest.mark.parametrize("role", [Role.OWNER, Role.MEMBER])
def test_owners_and_members_may_edit(role: Role):
    assert require_editor(caller_of(add_account(MemoryStorage()), role), "This") is None


def test_viewers_may_not_edit():
    with pytest.raises(Forbidden, match="viewer"):
        require_editor(caller_of(add_account(MemoryStorage()), Role.VIEWER), "This")
