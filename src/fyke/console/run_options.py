"""The run options as visitors see them: names, hints and choices in their language."""

from __future__ import annotations

import re
from dataclasses import replace

from fyke.console.texts import gettext
from fyke.domain.forms.model import FieldOptions, FormField
from fyke.domain.forms.system import FIELDS

_REQUIRED = re.compile(
    r'required field "([^"]+)" is missing or empty; give input\.parameters\.custom\..+? a value'
)
_PATH = re.compile(r"input\.parameters\.system\.(\w+)")


def _(message: str) -> str:
    """Mark for translation; the functions below translate."""
    return message


_TITLES = {
    "memory": _("Memory"),
    "cpus": _("CPU"),
    "execute_limit_time_seconds": _("Timeout"),
    "max_total_charge": _("Maximum cost"),
    "max_total_traffic": _("Maximum traffic"),
    "max_retries": _("Retries"),
    "proxy_region": _("Region"),
    "pool": _("Pool"),
    "labels": _("Labels"),
    "browser_memory": _("Browser memory"),
    "browser": _("Browser windows"),
    "browser_program": _("Browser program"),
    "browser_block": _("Not loaded by browsers"),
    "egress_allow": _("Private addresses allowed"),
}
_HINTS = {
    "memory": _("Memory of each subtask; it determines the CPU share."),
    "execute_limit_time_seconds": _("A subtask that takes longer is stopped and fails."),
    "max_total_charge": _("The run ends at this cost."),
    "max_total_traffic": _("The run ends at this traffic."),
    "max_retries": _(
        "How often a subtask is tried again when its machine is lost or taken out of service."
    ),
    "proxy_region": _("Two capital letters such as US: the country of the proxy."),
    "pool": _("The machines of this pool run it; empty: the default pool."),
    "labels": _("Labels that the machine must have, such as gpu=yes, disk=ssd."),
    "browser_memory": _("For the browser of each subtask; empty: %(size)s MB."),
    "browser": _("The windows are on a virtual display."),
    "browser_program": _("The build of Chromium."),
    "browser_block": _("The browsers' requests for these are blocked."),
}
_CHOICES = {
    "headless": _("Without windows (headless)"),
    "headful": _("With windows (headful)"),
    "images": _("Images"),
    "media": _("Media"),
    "fonts": _("Fonts"),
    "stylesheets": _("Stylesheets"),
    "headless-shell": "Headless shell",  # names of programs
    "chromium": "Chromium",
}
_EMPTY = {
    "memory": _("Worker default"),
    "browser": _("Worker default"),
    "browser_program": _("Default of this installation"),
}
_UNITS = {"execute_limit_time_seconds": _("seconds")}


def option_title(name: str) -> str:
    """The name of an option of ``FIELDS``, or of one that the form does not show."""
    return gettext(_TITLES[name]) if name in _TITLES else name


def empty_choice(name: str) -> str:
    """The label of the choice that leaves an option out; ``""`` for other kinds of options."""
    return gettext(_EMPTY[name]) if name in _EMPTY else ""


def shown_option(name: str, browser_mb: int) -> FormField:
    """An option for display. ``browser_mb``: the memory that a browser gets without the option."""
    field = FIELDS[name]
    hint = gettext(_HINTS[name])
    return replace(
        field,
        title=option_title(name),
        description=hint % {"size": f"{browser_mb:,}"} if "%" in hint else hint,
        unit=gettext(_UNITS[name]) if name in _UNITS else field.unit,
        options=FieldOptions(
            replace(one, label=gettext(_CHOICES.get(str(one.value), one.label)))
            for one in field.options
        ),
    )


def name_options(text: str) -> str:
    """An error message with the names of options and fields instead of their paths in a request."""
    text = _REQUIRED.sub(
        lambda match: gettext("Fill in the field %(field)s.") % {"field": match[1]}, text
    )
    return _PATH.sub(lambda match: f'"{option_title(match[1])}"', text)
