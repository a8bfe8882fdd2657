"""Errors as pages: what happened, what to do, and the id of the request in the log.

The status is that of API v2 for the same error; the sentence is the domain's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import structlog
from starlette.responses import Response

from fyke import errors
from fyke.api.errors import Refusal, request_id, table_of
from fyke.console.navigation import entry_above
from fyke.console.reasons import error_text
from fyke.console.texts import gettext as _

if TYPE_CHECKING:
    from fyke.console.view import View

log = structlog.get_logger("fyke.console")

_TABLE = table_of("/api/v2/")


@dataclass(frozen=True, slots=True)
class PageError:
    """The content of an error page."""

    status: int
    title: str
    text: str
    remedy: str
    retry_after: int = 0
    retry: bool = False  # whether the same request may succeed later
    back: tuple[str, str] | None = None  # address and name of the list that it would be in


def page_error_of(error: Exception) -> PageError:
    """The content of the page. An unexpected exception is shown as an internal error."""
    if isinstance(error, Refusal):
        return PageError(error.status, _title(error.status), error.text, _remedy(error.status))
    if not isinstance(error, errors.FykeError):
        return PageError(500, _title(500), "", _remedy(500))
    status = 403 if isinstance(error, errors.Forbidden) else _TABLE.row(error).status
    hidden = status >= 500 or type(error) is errors.NotFound
    return PageError(
        status,
        _title(status),
        "" if hidden else error_text(error),
        _remedy(status),
        getattr(error, "retry_after", 0) or 0,
    )


def respond(view: View, error: Exception) -> Response:
    """The error page, or only its panel when a part was requested."""
    fault = page_error_of(error)
    if fault.status == 404 and "route" not in view.request.scope:
        fault = replace(fault, title=_("There is no such page"), remedy=_("Check the address."))
    elif fault.status == 404:
        fault = replace(fault, back=_list_of(view))
    if fault.status >= 500:
        key = getattr(error, "key", type(error).__name__)
        log.error("page failed", key=key, request_id=request_id(view.request), exc_info=error)
    safe = view.request.method in ("GET", "HEAD")
    if safe and (fault.status >= 500 or fault.status == 429):
        fault = replace(fault, retry=True)
    if fault.status == 503 and (view.wants_part or not fault.retry):
        fault = replace(fault, remedy=_remedy(429))  # only a whole page reloads itself
    headers = {"retry-after": str(fault.retry_after)} if fault.retry_after else {}
    if view.request.headers.get("hx-request") == "true" and not safe:
        # the form stays as typed, with the error in the notices
        headers |= {"hx-retarget": "#notices", "hx-reswap": "innerHTML"}
        return view.part(
            "faults/page.html",
            "panel",
            status=fault.status,
            headers=headers,
            fault=fault,
            in_notices=True,
        )
    if view.wants_part:
        return view.part(
            "faults/page.html", "panel", status=fault.status, headers=headers, fault=fault
        )
    return view.page("faults/page.html", status=fault.status, headers=headers, fault=fault)


def _list_of(view: View) -> tuple[str, str] | None:
    """The list of what the address names, where the visitor may open it."""
    if view.signed_in is None:
        return None
    entry = entry_above(view.path, view.caller, view.context.pages)
    return None if entry is None or entry.path == view.path else (entry.path, _(entry.label))


def _title(status: int) -> str:
    titles = {
        400: _("The request was refused"),
        401: _("Sign-in required"),
        403: _("You do not have permission"),
        404: _("Not found"),
        405: _("Method not allowed"),
        409: _("Conflict with another change"),
        413: _("Request too large"),
        422: _("Some fields are not valid"),
        429: _("Too many requests"),
        503: _("Fyke is busy or starting"),
    }
    return titles.get(status, _("Something went wrong in Fyke"))


def _remedy(status: int) -> str:
    remedies = {
        400: _("Go back, correct the field named in the message and try again."),
        403: _("Ask an owner of the account for a role with this permission."),
        404: _("It may have been deleted, or it belongs to another account."),
        405: _("Open the page from the menu and repeat the action there."),
        409: _("Reload the page to see the current state."),
        413: _("Send less data, or use the REST API for large inputs."),
        429: _("Wait a moment and try again."),
        503: _("This page retries automatically."),
    }
    if status >= 500 and status != 503:
        return _("Try again. If the error persists, search the server log for the request ID.")
    return remedies.get(status, _("Go back, correct the field named in the message and try again."))
