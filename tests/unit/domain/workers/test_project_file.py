"""``fyke.json``: valid files, warnings, and errors that prevent a publication."""

from __future__ import annotations

import pytest

from fyke.domain.workers.project_file import Declarations, checked_domain, read
from fyke.model.worker import BrowserNeed


@pytest.mark.parametrize(
    ("text", "declared"),
    [
        ("{}", Declarations()),
        ('{"egress": []}', Declarations(())),
        (
            '{"egress": ["Example.COM", "*.example.org.", "192.0.2.1:443"], "install": "wheels"}',
            Declarations(("example.com", "*.example.org", "192.0.2.1:443")),
        ),
        ('{"egress": ["bücher.example"]}', Declarations(("xn--bcher-kva.example",))),
        ('{"install": "build"}', Declarations(None, builds=True)),
        ('{"secrets": []}', Declarations()),
        ('{"secrets": ["B", "A_2", "B"]}', Declarations(secrets=("B", "A_2"))),
        ('{"browser": "required"}', Declarations(browser=BrowserNeed.REQUIRED)),
        ('{"browser": "headful"}', Declarations(browser=BrowserNeed.HEADFUL)),
        ('{"browser": "optional"}', Declarations(browser=BrowserNeed.OPTIONAL)),
        ('{"browser": "none"}', Declarations(browser=BrowserNeed.NONE)),
    ],
)
def test_valid_project_files_are_read(text: str, declared: Declarations) -> None:
    assert read(text) == (declared, [])


def test_a_key_that_occurs_twice_prevents_a_publication() -> None:
    text = '{"egress": [],\n"browser": "required",\n"browser": "none", "egress": []}'
    [egress, browser] = read(text)[1]
    assert (browser.severity, browser.code, browser.line) == ("error", "project_key_twice", 3)
    assert browser.message == 'the key "browser" occurs more than once, and only one can apply'
    assert '"egress"' in egress.message
    assert read('{"egress": [], "secrets": []}')[1] == []


@pytest.mark.parametrize(
    ("text", "message", "remedy"),
    [
        ("{", "fyke.json is not a valid json", "correct the JSON"),
        ("[]", "the root of fyke.json must be an object", "write {"),
        ('{"egress": "example.com"}', "egress must be a list", "leave it out to reach every site"),
        ('{"egress": null}', "egress must be a list", "leave it out"),
        ('{"egress": [1]}', "egress[0] must be a string", "write a domain"),
        ('{"egress": ["a.example", "https://b.example"]}', "egress[1]", "write example.com"),
        ('{"egress": ["a.example:0"]}', "the port must be", ":port for one port"),
        (
            '{"egress": ["a.*.example"]}',
            "a * is only allowed at the beginning",
            "write *.example.com",
        ),
        ('{"egress": ["*"]}', "a * is only allowed at the beginning", "write *.example.com"),
        ('{"egress": ["*.com"]}', "it has only one part", "the whole name"),
        ('{"egress": ["localhost"]}', "it has only one part", "the whole name"),
        ('{"egress": ["2130706433"]}', "egress[0]: domain", "write example.com"),
        ('{"egress": [""]}', "egress[0]: domain", "write example.com"),
        ('{"install": "source"}', 'install must be "wheels" or "build"', 'write "wheels"'),
        ('{"secrets": "LOGIN"}', "secrets must be a list of at most 50", 'write ["SHOP_LOGIN"]'),
        ('{"secrets": [1]}', "secrets[0]: '' must be 1 to 64 characters", "change the name"),
        ('{"secrets": ["A", "b"]}', "secrets[1]: 'b' must be 1 to 64", "change the name"),
        (
            '{"secrets": ["HTTPS_PROXY"]}',
            "HTTPS_PROXY is reserved",
            "as in MY_HTTPS_PROXY",
        ),
        ('{"install": true}', 'install must be "wheels" or "build"', 'write "wheels"'),
        ('{"browser": "always"}', 'browser must be "required", "head', 'write "required" if every'),
        ('{"browser": ""}', 'browser must be "required", "headful"', "leave it out"),
        ('{"browser": true}', 'browser must be "required", "headful"', "leave it out"),
        ('{"browser": null}', 'browser must be "required", "headful"', "leave it out"),
        ('{"browser": []}', 'browser must be "required", "headful"', "leave it out"),
    ],
)
def test_invalid_members_are_errors(text: str, message: str, remedy: str) -> None:
    declared, findings = read(text)
    assert [finding.severity for finding in findings] == ["error"]
    assert message in findings[0].message and remedy in findings[0].remedy
    assert findings[0].file == "fyke.json" and not declared.builds


def test_an_invalid_list_of_domains_allows_no_domain() -> None:
    assert read('{"egress": "example.com"}')[0].egress == ()


def test_too_many_domains_are_refused() -> None:
    domains = ", ".join(f'"d{n}.example"' for n in range(101))
    assert "at most 100" in read(f'{{"egress": [{domains}]}}')[1][0].message


def test_unknown_keys_and_repeated_domains_are_warnings_with_their_line() -> None:
    text = '{\n"egres": ["a.example"],\n"egress": ["a.example",\n"A.example"]\n}'
    declared, findings = read(text)
    assert declared.egress == ("a.example",)
    assert [(f.severity, f.code, f.line) for f in findings] == [
        ("warning", "project_key_unknown", 2),
        ("warning", "egress_twice", 4),
    ]


def test_a_checked_domain_is_stable() -> None:
    for domain in ("example.com", "*.example.org", "*.xn--bcher-kva.example"):
        assert checked_domain(domain) == domain
