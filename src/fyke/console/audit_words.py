"""What the audit log calls each act, in the visitor's language."""

from __future__ import annotations

from fyke.console.texts import gettext as _
from fyke.model.audit import Act


def act_names() -> dict[str, str]:
    """Act to words, in the order of the filter."""
    return {
        Act.SIGN_IN: _("Signed in"),
        Act.SIGN_IN_FAILED: _("Failed to sign in"),
        Act.SIGN_OUT: _("Signed out"),
        Act.SESSIONS_REVOKED: _("Ended sessions"),
        Act.PASSWORD: _("Set a password"),
        Act.LINK: _("Made a link for a user"),
        Act.INVITE: _("Invited a user"),
        Act.ROLE: _("Changed a role"),
        Act.DISABLE: _("Disabled a user"),
        Act.ENABLE: _("Enabled a user"),
        Act.REMOVE: _("Removed a user"),
        Act.KEY_CREATED: _("Created a key"),
        Act.KEY_REVOKED: _("Revoked a key"),
        Act.RUN_STARTED: _("Started a run"),
        Act.RUN_QUEUED: _("Put a run into the queue"),
        Act.RUN_ABORTED: _("Aborted a run"),
        Act.RUN_DELETED: _("Deleted a run"),
        Act.RUN_SHARED: _("Shared a run"),
        Act.RUN_UNSHARED: _("Revoked the link to a run"),
        Act.PUBLISHED: _("Published a version"),
        Act.WITHDRAWN: _("Withdrew a version"),
        Act.DEPRECATED: _("Deprecated a version"),
        Act.RESTORED: _("Restored a version"),
        Act.WORKER_CHANGED: _("Changed a Worker's page"),
        Act.WORKER_DELETED: _("Deleted a Worker"),
        Act.SECRET_SET: _("Set a secret of a Worker"),
        Act.SECRET_REMOVED: _("Removed a secret of a Worker"),
        Act.REVIEWED: _("Decided about a version"),
        Act.BUILDS_ALLOWED: _("Allowed builds of a Worker"),
        Act.BUILDS_FORBIDDEN: _("Forbade builds of a Worker"),
        Act.ACCOUNT_CREATED: _("Created an account"),
        Act.CREDITED: _("Credited an account"),
        Act.PLAN: _("Changed a plan"),
        Act.CAPS: _("Changed caps on spending"),
        Act.SETTINGS: _("Changed a setting"),
        Act.WEBHOOK_ADDED: _("Added a webhook"),
        Act.WEBHOOK_CHANGED: _("Changed a webhook"),
        Act.WEBHOOK_SECRET: _("Made a new secret for a webhook"),
        Act.WEBHOOK_REMOVED: _("Removed a webhook"),
        Act.RULE_ADDED: _("Added an alert rule"),
        Act.RULE_CHANGED: _("Changed an alert rule"),
        Act.RULE_REMOVED: _("Removed an alert rule"),
    }
