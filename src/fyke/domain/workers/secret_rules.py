"""The rules for names and values of secrets.

A secret becomes a variable of the Worker's environment, so it must not be one that the platform, an
interpreter, the loader or a client library reads. An account that runs a Worker may set its secrets
but not read its code: with ``LD_PRELOAD`` or ``NODE_OPTIONS`` it could run code inside the Worker,
and with ``HTTPS_PROXY`` or ``SSL_CERT_FILE`` it could redirect the Worker's requests.
"""

from __future__ import annotations

import re

from fyke.errors import InvalidFields

MAX_SECRETS = 50  # of one account for one worker
MIN_VALUE_CHARS = 6
MAX_VALUE_BYTES = 16 * 1024  # bytes of UTF-8

NAME_RULE = "1 to 64 characters out of A-Z, 0-9 and _, beginning with a letter"
_NAME = re.compile(r"[A-Z][A-Z0-9_]{0,63}")

_WORDS = """
PATH HOME LANG LANGUAGE TERM TERMINFO TERMCAP USER LOGNAME SHELL PWD OLDPWD HOSTNAME TZ TZDIR
TMPDIR TMP TEMP TEMPDIR ENV IFS CDPATH EDITOR VISUAL PAGER BROWSER DISPLAY CLASSPATH
GCONV_PATH GETCONF_DIR HOSTALIASES LOCALDOMAIN RES_OPTIONS NLSPATH SSLKEYLOGFILE LESSOPEN
TRACEPARENT TRACESTATE
GOPATH GOROOT GOENV GOFLAGS GOPROXY GOSUMDB GODEBUG GOGC GOMEMLIMIT GOMAXPROCS GOTRACEBACK
"""
_RESERVED = frozenset(_WORDS.split())
_PREFIXES = (
    "LD_", "LC_", "XDG_", "GLIBC_", "MALLOC_", "BASH", "ZDOTDIR",
    "PYTHON", "PIP_", "UV_", "VIRTUAL_ENV", "NODE_", "NPM_", "GO_", "CGO_",
    "PERL", "RUBY", "JAVA_", "JDK_",
    "CHROME", "PUPPETEER_", "PLAYWRIGHT_", "SELENIUM_",
    "FYKE_", "CORECLAW_", "CORESDK_", "CAFESDK_", "CAFESCRAPER_",
    "PROXY_", "GRPC_", "SSL_", "OPENSSL_", "REQUESTS_CA_", "CURL_", "GIT_",
)  # fmt: skip
_SUFFIXES = ("_PROXY",)


def check_name(name: str) -> str:
    """Return the name. Raise ``InvalidFields`` with the rule and the remedy."""
    if not _NAME.fullmatch(name):
        raise InvalidFields(f"{name[:80]!r} must be {NAME_RULE}, as in SHOP_LOGIN", field="name")
    if _reserved(name):
        raise InvalidFields(
            f"{name} is reserved by the Worker's platform or interpreter, so it cannot be a secret",
            field="name",
            remedy=f"add a prefix, as in MY_{name[:61]}",
        )
    return name


def _reserved(name: str) -> bool:
    return name in _RESERVED or name.startswith(_PREFIXES) or name.endswith(_SUFFIXES)


def check_value(value: str) -> str:
    """Return the value. Raise ``InvalidFields``; its message never contains the value."""
    if len(value) < MIN_VALUE_CHARS or len(value.strip()) < MIN_VALUE_CHARS:
        raise InvalidFields(
            f"must have at least {MIN_VALUE_CHARS} characters: a shorter value may occur in "
            "ordinary text and cannot be masked; pass it as input instead",
            field="value",
        )
    if "\0" in value:
        raise InvalidFields(
            "must not contain NUL characters; encode binary data as base64", field="value"
        )
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise InvalidFields(
            "must be valid Unicode text; encode binary data as base64", field="value"
        ) from None
    if size > MAX_VALUE_BYTES:
        raise InvalidFields(
            f"has {size:,} bytes and may have at most {MAX_VALUE_BYTES:,}; "
            "divide it over several secrets, or keep only what the Worker needs",
            field="value",
        )
    return value
