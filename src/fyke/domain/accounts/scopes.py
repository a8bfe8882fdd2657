"""Scopes: what a key may be used for, within what its user may do."""

from __future__ import annotations

from collections.abc import Iterable

from fyke.errors import InvalidRequest
from fyke.model.account import ALL_SCOPES, Scope


def read_scopes(names: Iterable[str]) -> frozenset[Scope]:
    """The scopes of these names; all of them for none. Raise ``InvalidRequest``."""
    found = set()
    for name in names:
        try:
            found.add(Scope(name.strip().lower()))
        except ValueError:
            offered = ", ".join(Scope)
            raise InvalidRequest(
                f"there is no scope {name[:40]!r}; use some of {offered}", field="scopes"
            ) from None
    return frozenset(found) or ALL_SCOPES


def scope_text(scopes: Iterable[Scope]) -> str:
    """The scopes as words, always in the same order."""
    held = frozenset(scopes)
    return " ".join(scope.value for scope in Scope if scope in held)
