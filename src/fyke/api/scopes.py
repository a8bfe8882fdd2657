"""Which scopes of a key each operation asks for: the one place where that is said.

Reading asks for ``read``, but for what is listed here. Everything else has to be listed: an
operation that is not asks for all scopes, so forgetting it closes a door and never opens one.
"""

from __future__ import annotations

from fyke.model.account import ALL_SCOPES, Scope

_READ = frozenset({Scope.READ})
_RUN = frozenset({Scope.RUN})
_WRITE = frozenset({Scope.WRITE})
_ADMIN = frozenset({Scope.ADMIN})

_READING = """
POST /api/fyke/workers/{slug}/normalise
POST /api/fyke/workers/{slug}/import
POST /api/fyke/workers/{slug}/snippet
"""

# changing what is kept: workers, tasks, schedules, alerts, finished runs, and one's own choices
_WRITING = """
PATCH /api/fyke/workers/{slug}
DELETE /api/fyke/workers/{slug}
PUT /api/fyke/workers/{slug}/default-input
DELETE /api/fyke/workers/{slug}/default-input
POST /api/fyke/workers/{slug}/versions/{version}/deprecate
POST /api/fyke/workers/{slug}/versions/{version}/restore
POST /api/fyke/workers/{slug}/versions/{version}/rollback
POST /api/fyke/workers/{slug}/versions/{version}/withdraw
POST /api/fyke/uploads
POST /api/fyke/uploads/git
POST /api/fyke/uploads/{id}/again
POST /api/fyke/uploads/{id}/publish
DELETE /api/fyke/uploads/{id}
POST /api/fyke/workers/{slug}/share
POST /api/fyke/workers/{slug}/unshare
DELETE /api/fyke/workers/{slug}/submissions/waiting
PUT /api/fyke/favourites/{slug}
DELETE /api/fyke/favourites/{slug}
"""

# who may come in, where secrets and rows are sent, and what belongs to the operator
_MANAGING = """
GET /api/fyke/account
GET /api/fyke/submissions
POST /api/fyke/submissions/{id}/approve
POST /api/fyke/submissions/{id}/return
POST /api/fyke/submissions/{id}/sample
PUT /api/fyke/workers/{slug}/builds
"""

LISTED: dict[str, frozenset[Scope]] = {
    **dict.fromkeys(_READING.strip().splitlines(), _READ),
    **dict.fromkeys(_WRITING.strip().splitlines(), _WRITE),
    **dict.fromkeys(_MANAGING.strip().splitlines(), _ADMIN),
    "POST /api/fyke/uploads/{id}/test": _RUN | _WRITE,
}


def scopes_of(method: str, path: str) -> frozenset[Scope]:
    """The scopes that a key must have for the operation of this method and path."""
    listed = LISTED.get(f"{method} {path}")
    if listed is not None:
        return listed
    return _READ if method in ("GET", "HEAD") else ALL_SCOPES
