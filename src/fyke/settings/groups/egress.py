"""The settings of what leaves the machine: the proxy, callbacks and mail."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from fyke.settings.marks import FOR_NODES, SECONDS, SHARED, AddressList, Shared, TypeText, Unit


class EgressSettings(BaseModel):
    """Egress and callbacks."""

    egress_allow: Annotated[AddressList, FOR_NODES] = Field(
        default=(), examples=["10.0.0.5:8080,10.1.0.0/16:443"]
    )
    """Targets that every Worker of every account may reach although they are not on the public
    internet. A name allows only that name at that port. For a single run of the operator's
    account use ``input.parameters.system.egress_allow`` instead.
    """

    egress_upstreams: Annotated[
        dict[str, str],
        TypeText("map of region to one URL or a list of them, as JSON in the environment"),
        Shared("get it", is_secret=True),
    ] = Field(
        default_factory=dict,
        examples=[
            '{"US":"socks5h://user:password@us.example.com:1080",'
            '"*":["rotating","http://a.example.com:3128","http://b.example.com:3128"]}'
        ],
    )
    """The proxies of each region: ``socks5://``, ``socks5h://`` (the proxy resolves names) or
    ``http://``, with user and password where needed. A region is two capital letters, or ``*``
    for all others. With several proxies a run uses one of them; if the list starts with
    ``rotating``, every connection uses the next. A proxy that fails is not used until it works
    again. Connections of a region without an entry are direct, and the log of the run contains a
    note. See docs/how-to/upstream-proxies.md.
    """

    default_region: Annotated[str, TypeText("two capital letters"), FOR_NODES] = Field(
        default="", examples=["US"]
    )
    """The region of runs that do not name one."""

    site_guard: Annotated[bool, FOR_NODES] = Field(default=True, examples=["off"])
    """Whether connections to each site are throttled, across all runs on all machines. A site is a
    host name. New connections to it are limited in rate (``site_rate``) and number
    (``site_connections``, of which each run is guaranteed four on each machine). When the site
    answers 429 or 503, no connection starts for one second, then two, four, up to
    ``site_pause_seconds``; other machines know that within about a second. A connection that would
    have to wait longer than ten seconds is refused with a reason. The status of an answer is
    visible only in plain HTTP, and only for the first one of a connection; with TLS only rate and
    number are limited. Package installation is not throttled.
    """

    site_rate: Annotated[float, Unit("connections per second"), FOR_NODES] = Field(
        default=50, gt=0, examples=["10"]
    )
    """The rate of new connections to one host name, across all runs. After a pause, as many as in
    four seconds may start at once. Machines that use a name share the rate equally. When a machine
    begins to use it, the sum may be higher for up to six seconds, but less than double; over time
    it is at most a sixth higher, and not at all while the same machines use the name. Each machine
    may start at least one connection after a pause, however low the rate is.
    """

    site_connections: Annotated[int, FOR_NODES] = Field(default=200, ge=1, examples=["50"])
    """How many connections to one host name may be open at the same time, across all runs.
    Machines that use a name share the number equally, and each has at least one. What is open when
    another machine begins to use it stays open: until it ends, there may be up to twice as many.
    """

    site_pause_seconds: Annotated[float, SECONDS, FOR_NODES] = Field(
        default=30, ge=0, examples=["120"]
    )
    """The longest pause for a site that answers 429 or 503. It applies to all machines, which know
    of it within about a second. 0: no pause.
    """

    callback_allow: Annotated[AddressList, SHARED] = Field(default=(), examples=["127.0.0.1:9000"])
    """Receivers of callbacks and webhooks, and mail servers named in the console, that are accepted
    although they are not on the public internet. An operator can allow more receivers while Fyke
    runs, in the console or with ``fyke callback allow``, but no address of the server itself or of
    the hosts that its settings name for the public URL, gateways, database and S3; these need this
    setting.
    """

    callback_running: Annotated[bool, SHARED] = Field(default=True, examples=["false"])
    """Whether runs that were started through API v2 also call their ``callback_url`` when they
    start. When false, they call it only when they have ended, like runs of API v1.
    """


class MailSettings(BaseModel):
    """Mail."""

    smtp_url: Annotated[
        str, TypeText("`smtp://USER:PASSWORD@HOST:PORT` or `smtps://`"), Shared(is_secret=True)
    ] = Field(default="", examples=["smtps://fyke:secret@mail.example.org"])
    """The server that sends the mail of alert rules. ``smtps`` uses TLS from the first byte, on
    port 465 unless the URL names one; ``smtp`` starts TLS when the server offers it, on port 587
    unless the URL names one. A password is sent over TLS only. User and password are optional;
    write special characters in them percent-encoded. Without this setting an operator can name the
    server while Fyke runs, in the console or with ``fyke mail set``. Without a server no mail is
    sent, and no rule may name an address.
    """

    mail_from: Annotated[str, TypeText("mail address, with or without a name"), SHARED] = Field(
        default="", examples=["fyke@example.org"]
    )
    """The sender of the mail, by default ``fyke@`` and the host name of the mail server.
    """
