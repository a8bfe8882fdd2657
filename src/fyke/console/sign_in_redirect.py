"""Going on after a session has ended: nothing that was typed is lost.

A form that arrives without a session is shown back inside the sign-in form, as text in hidden
fields, but for what the page withholds, such as passwords. After signing in the visitor sends it
with one click: never by itself, because what it does may be no longer wanted.
"""

from __future__ import annotations

from urllib.parse import quote

from starlette.responses import Response

from fyke.console.forms import read_form
from fyke.console.page import ConsolePage
from fyke.console.view import View, own_address

HELD_PATH = "held_path"
HELD_PREFIX = "held."


async def ask_to_sign_in(view: View, page: ConsolePage) -> Response:
    """The response to a request without a session."""
    back = quote(view.address, safe="")
    if view.request.headers.get("hx-request") == "true":
        # The page stays as it is, with all that was typed; a note says where to sign in.
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
        held_path=view.address,
        held=[pair for pair in form.pairs if pair[0] not in page.withheld] if form else [],
        held_files=bool(form and form.files) or form is None,
    )


def pending_request_of(view: View) -> tuple[str, list[tuple[str, str]]]:
    """(path, pairs) of the form that the sign-in form carries; an empty path without one."""
    path = view.form.get(HELD_PATH)
    pairs = [
        (name.removeprefix(HELD_PREFIX), value)
        for name, value in view.form.pairs
        if name.startswith(HELD_PREFIX)
    ]
    return (own_address(path), pairs) if path else ("", [])


def resume(view: View, path: str, pairs: list[tuple[str, str]]) -> Response:
    """The page with the form, ready to be sent."""
    return view.page("access/resume.html", path=path, pairs=pairs)
