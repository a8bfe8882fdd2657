"""The one-time value of a form that starts runs or saves a task.

A form that arrives twice, because its button was pressed twice or the network was slow, does its
work once: the value and what the form asks for make the idempotency key. Another input with the
same value is another request.
"""

from __future__ import annotations

import hashlib
import json

from markupsafe import Markup

from fyke.console.forms import PostedForm
from fyke.domain.runs.start_keys import StartKey
from fyke.kit.ids import new_ulid

FIELD = "once"
MAX_CHARS = 100


def once_field() -> Markup:
    """The hidden field of a form; browsers do not restore its value."""
    field = Markup('<input type="hidden" name="{}" value="{}" autocomplete="off">')
    return field.format(FIELD, new_ulid())


def once_key(form: PostedForm, *asked: object) -> StartKey | None:
    """The key of a form that asks for ``asked`` (JSON values); None without a one-time value."""
    once = form.get(FIELD)
    if not 1 <= len(once) <= MAX_CHARS:
        return None
    text = json.dumps([once, *asked])
    digest = hashlib.sha256(text.encode()).hexdigest()
    return StartKey(f"form {digest}", digest)
