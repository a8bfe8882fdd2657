"""The mail server that the operator names while the servers run.

It belongs to the settings that must agree: each change is the next version of these, and all
servers use it within seconds (``fyke.app.following``). The password is sealed with the
installation's secret, and never shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from email.utils import parseaddr
from typing import Any

from fyke.contracts.delivery import Mailer
from fyke.contracts.signals import SERVERS
from fyke.contracts.state import Storage, Transaction
from fyke.domain.accounts.audit import record
from fyke.domain.accounts.rights import require_confirmed, require_operator, require_owner
from fyke.domain.accounts.throttle import Allowance, SignInAttempts, refuse
from fyke.domain.callbacks.current_mail import CurrentMail
from fyke.domain.callbacks.url import CallbackRules
from fyke.errors import Conflict, InvalidRequest, Problem, Refused
from fyke.kit.clock import Clock
from fyke.kit.hostports import BadHost, parse_host
from fyke.kit.mail_servers import MailServer, MailTls, check_sender, is_address
from fyke.kit.sealing import Sealer, UnsealError
from fyke.model.account import Caller
from fyke.model.audit import AuditAction
from fyke.model.mail import MailConfig, MailOrigin, MailReport, MailTest
from fyke.model.settings_version import MAIL, NO_VERSION, SettingsVersion

MAX_TEXT = 254
MAX_PASSWORD = 1024
PORTS: Mapping[str, int] = {MailTls.TLS: 465, MailTls.STARTTLS: 587, MailTls.NONE: 25}
TEST_ALLOWANCE = Allowance(10, 30)  # of all operators together
_LOW_PORTS = frozenset({25, 465, 587})
# from the newest version to the values to store, and what the audit log says
Change = Callable[[SettingsVersion], tuple[dict[str, Any], str]]
_LOCATION = ("settings", "", "password of the mail server")


@dataclass(frozen=True, slots=True)
class MailFields:
    """What an operator sets. ``port`` 0 is that of ``tls``; ``password`` None keeps the known one;
    ``sender`` "" is ``fyke@`` and the host.
    """

    host: str
    port: int = 0
    tls: str = MailTls.STARTTLS
    user: str = ""
    password: str | None = None
    sender: str = ""


class InstallationMail:
    """The mail server. ``current`` is that of this server, ``rules`` its rules for addresses. All
    methods raise ``Forbidden`` for callers but the operator.
    """

    def __init__(
        self,
        storage: Storage,
        current: CurrentMail,
        rules: CallbackRules,
        sealer: Sealer,
        mailer: Mailer | None,
        clock: Clock,
    ) -> None:
        self._storage = storage
        self._current = current
        self._rules = rules
        self._sealer = sealer
        self._mailer = mailer
        self._clock = clock
        self._tests = SignInAttempts(TEST_ALLOWANCE, clock)

    async def get(self, caller: Caller) -> MailReport:
        require_operator(caller, "Reading the mail server")
        return self._report(await self._storage.read(lambda tx: tx.settings.newest()))

    async def set(self, caller: Caller, fields: MailFields) -> MailReport:
        """Send mail through this server from now on, on all servers. Raises ``InvalidRequest``,
        ``Conflict``, ``ConfirmationNeeded``.
        """
        require_operator(caller, "Changing the mail server")
        require_owner(caller, "Changing the mail server")
        self._require_unfixed()
        await self._rules.look_up()

        def change(newest: SettingsVersion) -> tuple[dict[str, Any], str]:
            values = self._validated(fields, _stored(newest))
            user = f" as {values['user']}" if values["user"] else ""
            return values, f"mail server: {values['host']}:{values['port']}{user}"

        return await self._change(caller, change)

    async def remove(self, caller: Caller) -> MailReport:
        """Send no more mail. Mail that waits is tried again on the usual schedule. Raises
        ``Conflict``, ``ConfirmationNeeded``.
        """
        require_operator(caller, "Removing the mail server")
        require_owner(caller, "Removing the mail server")
        self._require_unfixed()
        return await self._change(caller, lambda _newest: ({}, "mail server: removed"))

    async def test(self, caller: Caller, to: str = "") -> MailTest:
        """Send a mail now, by default to the caller's own address, and return the answer. Raises
        ``InvalidRequest``, ``Refused`` without a mail server, ``RateLimited``.
        """
        require_operator(caller, "Testing the mail server")
        require_owner(caller, "Testing the mail server")
        address = to.strip() or caller.user_name
        if not is_address(address):
            raise InvalidRequest("enter a mail address, such as ada@example.org", field="to")
        if self._mailer is None or not self._current.exists():
            raise Refused("This installation has no mail server")
        if wait := self._tests.wait(""):
            raise refuse(wait, "to send a test mail")
        self._tests.take("")
        started = self._clock.monotonic()
        answer = await self._mailer.send(address, "Test message", _TEST_TEXT)
        duration_ms = round((self._clock.monotonic() - started) * 1000)
        return MailTest(address, answer.status, answer.reply, answer.error, duration_ms)

    def _require_unfixed(self) -> None:
        if self._current.fixed is not None:
            raise Conflict(
                "The setting smtp_url names the mail server",
                remedy="change it in config.toml or in the environment, and restart",
            )

    async def _change(self, caller: Caller, change: Change) -> MailReport:
        def work(tx: Transaction) -> SettingsVersion:
            require_confirmed(tx, caller)
            newest = tx.settings.newest() or NO_VERSION
            values, detail = change(newest)
            by = caller.user_name or caller.account_name
            version = newest.changed_to(MAIL, values, by, tx.now)
            if not tx.settings.add(version):
                raise Conflict("The settings were changed at this moment", remedy="try again")
            target = f"version {version.number}"
            record(tx, caller, AuditAction.INSTALLATION_SETTINGS, target, detail)
            tx.notify(SERVERS)
            return version

        version = await self._storage.write(work)
        self._current.use(mail_of(version, self._sealer), version.number)
        return self._report(version)

    def _validated(self, fields: MailFields, known: Mapping[str, Any]) -> dict[str, Any]:
        """The values to store. Raise ``InvalidRequest`` with all problems."""
        host, user = fields.host.strip(), fields.user.strip()
        port = fields.port or PORTS.get(fields.tls, 0)
        sender = fields.sender.strip() or f"fyke@{host}"
        # another host or user must not get the password that was entered for this one
        same = (host, user) == (known.get("host"), known.get("user"))
        kept = self._readable(known) if same and fields.password is None else ""
        problems = [
            *_host_problems(self._rules, host, port),
            *_tls_problems(fields.tls, user),
            *_port_problems(port, fields.tls),
            *_login_problems(user, fields.password or "", has_password=bool(kept)),
            *_sender_problems(sender),
        ]
        if problems:
            raise InvalidRequest.of(problems)
        sealed = self._sealer.seal(_LOCATION, fields.password) if fields.password and user else kept
        return {
            "host": host,
            "port": port,
            "tls": fields.tls,
            "user": user,
            "password": sealed,
            "sender": sender,
        }

    def _readable(self, known: Mapping[str, Any]) -> str:
        """The sealed password, unless it was sealed with another key."""
        sealed = str(known.get("password", ""))
        try:
            return sealed if sealed and self._sealer.open(_LOCATION, sealed) else ""
        except UnsealError:
            return ""

    def _report(self, version: SettingsVersion | None) -> MailReport:
        number = version.number if version is not None else 0
        fixed = self._current.fixed
        if fixed is not None:
            server = fixed.server
            return MailReport(
                number, MailOrigin.SETTING, server.host, server.port, server.tls, server.user,
                bool(server.password), fixed.sender,
            )  # fmt: skip
        values = _stored(version)
        if not values:
            return MailReport(number, MailOrigin.NONE)
        config = mail_of(version, self._sealer)
        return MailReport(
            number,
            MailOrigin.OPERATOR,
            values["host"],
            values["port"],
            MailTls(values["tls"]) if values["tls"] in [*MailTls] else MailTls.STARTTLS,
            values["user"],
            bool(values["password"]),
            values["sender"],
            config is None,
        )


def mail_of(version: SettingsVersion | None, sealer: Sealer) -> MailConfig | None:
    """The mail server of a version of the settings; None without one, and where its password
    cannot be read, or a later release has stored what this one does not know.
    """
    values = _stored(version)
    if not values or values["tls"] not in [*MailTls]:
        return None
    try:
        password = sealer.open(_LOCATION, values["password"]) if values["password"] else ""
    except UnsealError:
        return None
    server = MailServer(
        values["host"], values["port"], MailTls(values["tls"]), values["user"], password
    )
    return MailConfig(server, values["sender"])


def _stored(version: SettingsVersion | None) -> Mapping[str, Any]:
    """The values of the mail server with all names; empty without one."""
    found = {} if version is None else version.config.get(MAIL)
    if not isinstance(found, dict) or not found.get("host"):
        return {}
    return {"port": 0, "tls": "", "user": "", "password": "", "sender": "", **found}


def _host_problems(rules: CallbackRules, host: str, port: int) -> Iterable[Problem]:
    try:
        parsed = parse_host(host)
    except BadHost as error:
        yield Problem(str(error), "host")
        return
    if fault := rules.mail_fault(parsed, port):
        yield Problem(fault, "host")


def _tls_problems(tls: str, user: str) -> Iterable[Problem]:
    if tls not in PORTS:
        yield Problem(f"there is no {tls[:40]!r}; use one of {', '.join(PORTS)}", "tls")
    elif tls == MailTls.NONE and user:
        yield Problem("a password is sent with TLS only; choose tls or starttls", "tls")


def _port_problems(port: int, tls: str) -> Iterable[Problem]:
    if tls in PORTS and port not in _LOW_PORTS and not 1024 <= port <= 65535:
        yield Problem("it must be 25, 465, 587 or from 1024 to 65535", "port")


def _login_problems(user: str, password: str, *, has_password: bool) -> Iterable[Problem]:
    if len(user) > MAX_TEXT or not user.isprintable():
        yield Problem(f"it must have at most {MAX_TEXT} printable characters", "user")
    elif not user.isascii():
        yield Problem(_ASCII_RULE, "user")
    if len(password) > MAX_PASSWORD or not password.isprintable():
        yield Problem(f"it must have at most {MAX_PASSWORD} printable characters", "password")
    elif not password.isascii():
        yield Problem(_ASCII_RULE, "password")
    elif user and not password and not has_password:
        yield Problem("enter the password of this user at this host", "password")
    elif password and not user:
        yield Problem("a password needs a user", "user")


def _sender_problems(sender: str) -> Iterable[Problem]:
    try:
        address = parseaddr(check_sender(sender))[1]
    except ValueError as error:
        yield Problem(str(error), "sender")
        return
    if len(sender) > MAX_TEXT or not is_address(address):
        yield Problem("it must be an email address, such as fyke@example.org", "sender")


_ASCII_RULE = "only ASCII characters can be sent to a mail server; use another one"
_TEST_TEXT = (
    "This installation of Fyke can send mail. A user of its console has asked for this message.\n\n"
    "Users can confirm their mail addresses under Settings, Account, and get alerts by mail."
)
