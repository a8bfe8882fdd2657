"""Labels of the actions in the audit log, in the visitor's language."""

from __future__ import annotations

from fyke.console.texts import gettext as _
from fyke.model.audit import AuditAction


def audit_action_labels() -> dict[str, str]:
    """Action to label, in the order in which the filter lists them."""
    return {
        AuditAction.SIGN_IN: _("Signed in"),
        AuditAction.SIGN_IN_FAILED: _("Sign-in failed"),
        AuditAction.SIGN_OUT: _("Signed out"),
        AuditAction.SESSIONS_REVOKED: _("Signed out sessions"),
        AuditAction.CONFIRMED: _("Confirmed the password"),
        AuditAction.CONFIRM_FAILED: _("Confirmation failed"),
        AuditAction.REFUSED: _("Was refused"),
        AuditAction.PASSWORD: _("Set a password"),
        AuditAction.SECOND_FACTOR_ON: _("Switched the second factor on"),
        AuditAction.SECOND_FACTOR_OFF: _("Switched the second factor off"),
        AuditAction.SECOND_FACTOR_RESET: _("Reset the second factor of a user"),
        AuditAction.RECOVERY_CODES: _("Created recovery codes"),
        AuditAction.RECOVERY_CODE_USED: _("Used a recovery code"),
        AuditAction.ADDRESS_CONFIRMED: _("Confirmed a mail address"),
        AuditAction.LINK: _("Created a link for a user"),
        AuditAction.INVITE: _("Invited a user"),
        AuditAction.ROLE: _("Changed a role"),
        AuditAction.DISABLE: _("Disabled a user"),
        AuditAction.ENABLE: _("Enabled a user"),
        AuditAction.REMOVE: _("Removed a user"),
        AuditAction.KEY_CREATED: _("Created a key"),
        AuditAction.KEY_REVOKED: _("Revoked a key"),
        AuditAction.RUN_STARTED: _("Started a run"),
        AuditAction.RUN_QUEUED: _("Queued a run"),
        AuditAction.RUN_ABORTED: _("Aborted a run"),
        AuditAction.RUN_DELETED: _("Deleted a run"),
        AuditAction.RUN_SHARED: _("Shared a run"),
        AuditAction.RUN_UNSHARED: _("Revoked the link to a run"),
        AuditAction.PUBLISHED: _("Published a version"),
        AuditAction.WITHDRAWN: _("Withdrew a version"),
        AuditAction.DEPRECATED: _("Deprecated a version"),
        AuditAction.RESTORED: _("Restored a version"),
        AuditAction.WORKER_CHANGED: _("Changed a Worker's page"),
        AuditAction.WORKER_DELETED: _("Deleted a Worker"),
        AuditAction.SECRET_SET: _("Set a secret of a Worker"),
        AuditAction.SECRET_REMOVED: _("Removed a secret of a Worker"),
        AuditAction.REVIEWED: _("Reviewed a version"),
        AuditAction.BUILDS_ALLOWED: _("Allowed dependency builds of a Worker"),
        AuditAction.BUILDS_FORBIDDEN: _("Disallowed dependency builds of a Worker"),
        AuditAction.ACCOUNT_CREATED: _("Created an account"),
        AuditAction.CREDITED: _("Credited an account"),
        AuditAction.PLAN: _("Changed a plan"),
        AuditAction.CAPS: _("Changed spending caps"),
        AuditAction.SETTINGS: _("Changed a setting"),
        AuditAction.WEBHOOK_ADDED: _("Added a webhook"),
        AuditAction.WEBHOOK_CHANGED: _("Changed a webhook"),
        AuditAction.WEBHOOK_SECRET: _("Rotated a webhook secret"),
        AuditAction.WEBHOOK_REMOVED: _("Removed a webhook"),
        AuditAction.RULE_ADDED: _("Added an alert rule"),
        AuditAction.RULE_CHANGED: _("Changed an alert rule"),
        AuditAction.RULE_REMOVED: _("Removed an alert rule"),
    }
