"""What health checks and the report of the storage say: English texts that know their form, for
translations.
"""

from __future__ import annotations

from collections.abc import Callable


class HealthText(str):
    """``form`` filled with ``values``, of which those that are such texts are translated too."""

    form: str
    values: dict[str, str]

    def __new__(cls, form: str, **values: str) -> HealthText:
        text = super().__new__(cls, form % values)
        text.form, text.values = form, values
        return text


def health_text(text: str, translate: Callable[[str], str]) -> str:
    """The text in another language; texts without a form stay in English."""
    if not isinstance(text, HealthText):
        return text
    values = {name: health_text(value, translate) for name, value in text.values.items()}
    return translate(text.form) % values


def _(message: str) -> str:
    return message


DATABASE = HealthText(_("database"))
BLOBS = HealthText(_("blobs"))
DISK = HealthText(_("disk"))
EGRESS = HealthText(_("egress"))
RUNNER = HealthText(_("runner"))
PROCESS = _("process %(name)s")
NODE = _("node %(name)s")
RUNNER_OF = _("runner of %(name)s")
BROWSERS_OF = _("browsers of %(name)s")
DISK_OF = _("disk of %(name)s")
CLOCK_OF = _("clock of %(name)s")
PROXY_OF = _("proxy %(region)s")
OTHER_PROXY = HealthText(_("proxy of other regions"))
ANSWERS = _("%(place)s answers")
ANSWERS_IN = _("%(place)s answers in %(number)s ms")
PROXY_ANSWERS = HealthText(_("the proxy of this machine answers"))
FREE = _("%(free)s of %(total)s are free")
REPORTS = HealthText(_("it reports"))
COMPLETE_SANDBOX = _("the sandbox is complete%(notes)s; %(cores)s cores, %(memory)s MiB")
NO_RUNNER = HealthText(_("no runner is alive"))
START_A_RUNNER = HealthText(_("start one with fyke up; until then runs wait"))
PLACES = _("%(programs)s; %(free)s of %(total)s places are free")
NO_PLACES = _("%(programs)s; %(free)s of %(total)s places are free, so further runs wait")
HEALTHY = HealthText(_("healthy"))
RUNNING = HealthText(_("running"))
STATE_FILE = HealthText(_("accounts, Workers, runs, tasks, deliveries"))
ROWS_FILE = HealthText(_("rows and logs of runs"))
IN_POSTGRESQL = HealthText(_("state, rows and logs, in PostgreSQL"))
BLOBS_HERE = HealthText(_("bundles of versions, uploads"))
BLOBS_IN = _("bundles of versions, uploads, in %(place)s")
DOWNLOADS = HealthText(_("exports and logs that are being downloaded"))
UNPACKED = HealthText(_("unpacked versions, recreated when needed"))
ENVIRONMENTS = HealthText(_("dependencies, reinstalled when needed"))
WORK = HealthText(_("folders of active runs"))
