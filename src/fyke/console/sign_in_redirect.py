"""Signing in after a session has expired, without losing a submitted form.

A form that arrives without a session is returned in hidden fields of the sign-in form, except for
the fields that its page excludes, such as passwords. After signing in, the user submits it with one
click. It is not submitted automatically, because the user may have changed their mind.
"""

from __future__ import annotations

from urllib.parse import quote

from starlette.responses import Response

from fyke.console.forms import read_form
from fyke.console.page import ConsolePage
from fyke.console.view import View, own_address

PENDING_PATH = "pending_path"
PENDING_PREFIX = "pending."


async def ask_to_sign_in(view: View, page: ConsolePage) -> Response:
    """The response to a request without a session."""
    back = quote(view.address, safe="")
    if view.request.headers.get("hx-request") == "true":
        # the page with the form stays open; a notice links to the sign-in page
        headers = {"hx-retarget": "#notices", "hx-reswap": "innerHTML"}
        return view.part("faults/signed_out.html", "panel", status=401, headers=headers)
    if not page.unsafe:
        return view.go(f"/login?next={back}")
    form = await read_form(view.request, page.form_bytes) if page.form_bytes else None
    return view.page(
        "access/login.html",
        status=401,
        name="",
        next=view.path,
        fault="",
        pending_path=view.address,
        pending=[pair for pair in form.pairs if pair[0] not in page.excluded] if form else [],
        pending_files=bool(form and form.files) or form is None,
    )


def pending_request_of(view: View) -> tuple[str, list[tuple[str, str]]]:
    """(path, pairs) of the form inside the sign-in form; the path is empty when there is none."""
    path = view.form.get(PENDING_PATH)
    pairs = [
        (name.removeprefix(PENDING_PREFIX), value)
        for name, value in view.form.pairs
        if name.startswith(PENDING_PREFIX)
    ]
    return (own_address(path), pairs) if path else ("", [])


def resume(view: View, path: str, pairs: list[tuple[str, str]]) -> Response:
    """The page with the form, ready to submit."""
    return view.page("access/resume.html", path=path, pairs=pairs)
