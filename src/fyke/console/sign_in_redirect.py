"""Signing in after a session has expired, or confirming it, without losing a submitted form.

A form that arrives without a session is returned in hidden fields of the sign-in form, except for
the fields that its page excludes, such as passwords, unless they are empty. After signing in, the
user submits it with one click. It is not submitted automatically, because the user may have changed
their mind. After a confirmation the script submits it at once: the user pressed its button a moment
ago.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import quote

from starlette.responses import Response

from fyke.console.forms import read_form
from fyke.console.navigation import entry_above
from fyke.console.page import ConsolePage
from fyke.console.view import View, own_address
from fyke.domain.accounts.sessions import Sessions

PENDING_PATH = "pending_path"
PENDING_PREFIX = "pending."
PENDING_FORM_BYTES = 12 * 2**20  # a whole run form, returned after signing in again
CONFIRM_PATH = "/settings/confirm"


async def ask_to_sign_in(view: View, page: ConsolePage, sessions: Sessions) -> Response:
    """The response to a request without a session."""
    back = quote(view.address, safe="")
    if view.request.headers.get("hx-request") == "true":
        # the page with the form stays open; a notice links to the sign-in page
        headers = {"hx-retarget": "#notices", "hx-reswap": "innerHTML"}
        return view.part(
            "faults/signed_out.html", "panel", status=401, headers=headers, form=page.unsafe
        )
    if not page.unsafe:
        return view.go(f"/login?next={back}")
    form = await read_form(view.request, page.form_bytes) if page.form_bytes else None
    dropped = page.excluded_of(form) if form else page.excluded
    return view.page(
        "access/login.html",
        status=401,
        is_set_up=await sessions.is_set_up(),
        name="",
        next=view.path,
        fault="",
        pending_path=view.address,
        pending=[
            (name, value)
            for name, value in (form.pairs if form else ())
            if not value or name not in dropped
        ],
        pending_files=bool(form and form.files) or form is None,
    )


def ask_to_confirm(view: View, page: ConsolePage, *, code: bool) -> Response:
    """The response to a sensitive action that needs the password again; nothing has been changed.
    A form that contains a password has to be filled in again.
    """
    dropped = page.excluded_of(view.form)
    hidden = any(value for name, value in view.form.pairs if name in dropped)
    repeat = page.unsafe and not hidden and not view.form.files
    if view.request.headers.get("hx-request") == "true" or not page.unsafe:
        return view.go(f"{CONFIRM_PATH}?next={quote(_page_of(view, page), safe='')}")
    return confirm_form(
        view,
        status=403,
        code=code,
        next=_page_of(view, page),
        path=view.address if repeat else "",
        pairs=view.form.pairs if repeat else [],
    )


def confirm_form(
    view: View,
    *,
    code: bool,
    next: str,
    path: str = "",
    pairs: Sequence[tuple[str, str]] = (),
    status: int = 200,
    faults: Mapping[str, str] | None = None,
) -> Response:
    """The form that asks for the password and, if ``code``, for a code of the second factor.

    Afterwards the visitor gets the form ``path`` with ``pairs`` back, or, if there is no form, the
    page ``next``.
    """
    entry = entry_above(path or next, view.caller, view.context.pages)
    return view.page(
        "access/confirm.html",
        status=status,
        area_label=entry.label if entry else "",
        action=CONFIRM_PATH,
        needs_code=code,
        next=next,
        pending_path=path,
        pending=pairs,
        faults=faults or {},
    )


def _page_of(view: View, page: ConsolePage) -> str:
    return page.area or "/" if page.unsafe else view.address


def pending_request_of(view: View) -> tuple[str, list[tuple[str, str]]]:
    """(path, pairs) of the form inside the sign-in form; the path is empty when there is none."""
    path = view.form.get(PENDING_PATH)
    pairs = [
        (name.removeprefix(PENDING_PREFIX), value)
        for name, value in view.form.pairs
        if name.startswith(PENDING_PREFIX)
    ]
    return (own_address(path), pairs) if path else ("", [])


def resume(
    view: View, path: str, pairs: list[tuple[str, str]], *, confirmed: bool = False
) -> Response:
    """The page with the form, ready to submit. ``confirmed``: after a confirmation, not a
    sign-in.
    """
    return view.page("access/resume.html", path=path, pairs=pairs, confirmed=confirmed)
