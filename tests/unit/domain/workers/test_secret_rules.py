"""Valid and invalid names and values of secrets."""

from __future__ import annotations

import pytest

from fyke.domain.workers.secret_rules import MAX_VALUE_BYTES, check_name, check_value
from fyke.errors import InvalidFields
from fyke.sandbox.isolation.python_command import BASE_ENVIRONMENT

RESERVED = """
PATH HOME LANG LC_ALL TMPDIR TMP TZ USER SHELL ENV IFS LD_PRELOAD LD_LIBRARY_PATH LD_AUDIT
PYTHONPATH PYTHONSTARTUP PYTHON PYTHONUNBUFFERED NODE_OPTIONS NODE_PATH NPM_CONFIG_PREFIX
GOPROXY GODEBUG GOMAXPROCS GOFLAGS GO_TESTS PROXY_AUTH PROXY_DOMAIN HTTP_PROXY HTTPS_PROXY
ALL_PROXY FTP_PROXY NO_PROXY CHROMEWS CHROMEHTTP CHROME_PATH FYKE_HOME GRPC_PROXY_EXP
SSL_CERT_FILE SSLKEYLOGFILE CORECLAW_TOKEN CORESDK_HOST CAFESDK_HOST BASH_ENV BASHOPTS PERL5OPT
RUBYOPT JAVA_TOOL_OPTIONS GLIBC_TUNABLES GCONV_PATH OPENSSL_CONF REQUESTS_CA_BUNDLE
CURL_CA_BUNDLE GIT_SSH_COMMAND MALLOC_CHECK_ PUPPETEER_EXECUTABLE_PATH HOSTALIASES RES_OPTIONS
"""


@pytest.mark.parametrize(
    "name", ["A", "LOGIN", "SHOP_LOGIN", "K2", "GOOGLE_API_KEY", "GOOD", "MY_PATH", "A" * 64]
)
def test_valid_names_are_accepted(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize(
    "name",
    ["", "login", "Login", "1A", "_A", "A-B", "A B", "A\n", "Ä", "A=B", "A" * 65, "A\0", "$A"],
)
def test_invalid_names_are_refused(name: str) -> None:
    with pytest.raises(InvalidFields, match="1 to 64 characters"):
        check_name(name)


@pytest.mark.parametrize("name", RESERVED.split())
def test_reserved_names_are_refused(name: str) -> None:
    with pytest.raises(InvalidFields, match="add a prefix, as in"):
        check_name(name)


def test_variables_of_every_sandbox_cannot_be_secrets() -> None:
    browsers = ("ChromeWs", "ChromeHttp", "LightpandaDomain", "CamoufoxDomain")
    for name in (*BASE_ENVIRONMENT, "PATH", "PROXY_DOMAIN", "PROXY_AUTH", *browsers):
        with pytest.raises(InvalidFields):
            check_name(name)


@pytest.mark.parametrize("value", ["sixsix", "ünïcöd", "with\nlines", "x" * MAX_VALUE_BYTES])
def test_valid_values_are_accepted(value: str) -> None:
    assert check_value(value) == value


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("", "at least 6"),
        ("tiny5", "cannot be masked"),
        ("     tiny5      ", "cannot be masked"),
        ("nul\0inside", "NUL"),
        ("x" * (MAX_VALUE_BYTES + 1), "16,385 bytes"),
        ("ü" * (MAX_VALUE_BYTES // 2 + 1), "16,386 bytes"),
        ("half \ud800 a pair", "Unicode"),
    ],
)
def test_invalid_values_are_refused_without_repeating_them(value: str, words: str) -> None:
    with pytest.raises(InvalidFields, match=words) as refused:
        check_value(value)
    assert not value.strip() or value.strip() not in refused.value.message
