"""Scopes: what a key may be used for, within the permissions of its user."""

from __future__ import annotations

from collections.abc import Iterable

from fyke.errors import InvalidRequest
from fyke.model.account import ALL_SCOPES, Scope


def read_scopes(names: Iterable[str]) -> frozenset[Scope]:
    """Parse the names of scopes; no names stand for all scopes. Raise ``InvalidRequest``."""
    scopes = set()
    for name in names:
        try:
            scopes.add(Scope(name.strip().lower()))
        except ValueError:
            options = ", ".join(Scope)
            raise InvalidRequest(
                f"unknown scope {name[:40]!r}; use one or more of {options}", field="scopes"
            ) from None
    return frozenset(scopes) or ALL_SCOPES


def scope_text(scopes: Iterable[Scope]) -> str:
    """The names of the scopes, separated by spaces, always in the same order."""
    included = frozenset(scopes)
    return " ".join(scope.value for scope in Scope if scope in included)
