"""The mail server that applies at the moment, in one server."""

from __future__ import annotations

from fyke.model.mail import MailConfig

PLACE = "Admin > Mail"  # of the console
NO_MAIL = (
    f"this installation has no mail server; its operator can name one in {PLACE}, or with "
    "FYKE_SMTP_URL"
)


class CurrentMail:
    """``fixed`` is the mail server of the settings, which wins. Without one, it is that of the
    operator, which may change while the server runs. ``read``: False until it has been read from
    the database, which may be away while the server starts.
    """

    def __init__(self, fixed: MailConfig | None = None, *, read: bool = True) -> None:
        self.fixed = fixed
        self._read = read
        self._set: MailConfig | None = None
        self._version = 0

    @property
    def config(self) -> MailConfig | None:
        return self.fixed or self._set

    def exists(self) -> bool:
        """Whether mail can be sent."""
        return self.config is not None

    def known(self) -> bool:
        """Whether ``exists`` is certain."""
        return self._read or self.fixed is not None

    def use(self, config: MailConfig | None, version: int) -> None:
        """From now on, use the operator's mail server of this version of the settings; unless that
        of a later version is used already.
        """
        self._read = True
        if version >= self._version:
            self._version = version
            self._set = config
