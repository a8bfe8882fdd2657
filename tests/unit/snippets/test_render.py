"""No input text ends a literal early: each literal has the value of the JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fyke.snippets.render import IDS, MAX_INLINE, Start, body_text, literal, snippet

ORIGIN = "http://127.0.0.1:8100"
# ends a literal, begins an expression or an escape, or changes the text direction
HOSTILE = [
    "'", "''", "'''", '"', '"""', "`", "${process.exit(7)}", "$(exit 7)", "`exit 7`", "\\",
    "\\\\", "\\'", "\\`", "\\u0027", "\\u0022", "\\x27", "JSON", "\nJSON\n", "\nJSON;\n", "\r\n",
    "\r", "\0", "?>", "<?php exit(7); ?>", "*/", "/*", "//", "#", "{{ 7 }}", "{% raw %}", "%s",
    "\u2028", "\u2029", "\u202e", "\ufeff", "\x7f", "\x85", "é漢\U0001f41f", "\\\n", "';exit 7;'",
    '";exit 7;"', "$HOME", "!!",
]  # fmt: skip
TEXTS = st.one_of(st.lists(st.sampled_from(HOSTILE), max_size=5).map("".join), st.text(max_size=12))
BODIES = st.dictionaries(TEXTS, st.one_of(TEXTS, st.lists(TEXTS, max_size=3), st.integers()))
_quiet = settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck))
_long = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


def start(custom: dict[str, Any], **more: str) -> Start:
    values = {"owner": "owner", "name": "reader", **more}
    return Start(ORIGIN, input={"parameters": {"system": {}, "custom": custom}}, **values)


def run(command: list[str], program: str, folder: Path, name: str) -> str:
    (folder / name).write_text(program, encoding="utf-8", newline="")
    done = subprocess.run(
        [*command, name], cwd=folder, capture_output=True, timeout=110, check=False
    )
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    return done.stdout.decode()


def python_program(literals: list[str]) -> str:
    return "import json\nprint(json.dumps([" + ",".join(f"r'''{x}'''" for x in literals) + "]))\n"


def node_program(literals: list[str]) -> str:
    listed = ",".join(f"String.raw`{x}`" for x in literals)
    return f"console.log(JSON.stringify([{listed}]));\n"


def php_program(literals: list[str]) -> str:
    listed = ",\n".join(f"<<<'JSON'\n{x}\nJSON" for x in literals)
    return f"<?php\necho json_encode([{listed}\n]);\n"


def shell_program(literals: list[str]) -> str:
    return "".join(f"cat <<'JSON'\n{x}\nJSON\nprintf '\\0'\n" for x in literals)


def java_program(literals: list[str]) -> str:
    listed = "".join(f'out.append("""\n{x}\n""").append((char) 0);\n' for x in literals)
    return (
        "public class Start { public static void main(String[] a) throws Exception {\n"
        f"StringBuilder out = new StringBuilder();\n{listed}"
        'System.out.write(out.toString().getBytes("UTF-8")); System.out.flush(); } }\n'
    )


def go_program(literals: list[str]) -> str:
    listed = "".join(
        f"os.Stdout.WriteString(`{x}`)\nos.Stdout.WriteString(string(rune(0)))\n" for x in literals
    )
    return f'package main\nimport "os"\nfunc main() {{\n{listed}}}\n'


def parts(output: str) -> list[Any]:
    return [json.loads(text) for text in output.split("\0")[:-1]]


def texts(output: str) -> list[Any]:
    return [json.loads(text) for text in json.loads(output)]


RUNS: dict[str, Any] = {
    "python": (python_program, [sys.executable], "start.py", texts),
    "node": (node_program, ["node"], "start.mjs", texts),
    "php": (php_program, ["php"], "start.php", texts),
    "curl": (shell_program, ["sh"], "start.sh", parts),
    "java": (java_program, ["java"], "Start.java", parts),
    "go": (go_program, ["go", "run"], "start.go", parts),
}


def assert_literals(language: str, bodies: list[dict[str, Any]], folder: Path) -> None:
    program, command, name, read = RUNS[language]
    starts = [start(body) for body in bodies]
    literals = [literal(body_text(item), language) for item in starts]
    found = read(run(command, program(literals), folder, name))
    assert found == [item.body for item in starts]


HOSTILE_BODIES = [{text: [text, text + text]} for text in HOSTILE]


@pytest.mark.slow
@pytest.mark.needs("{language}")
@pytest.mark.parametrize("language", ["python", "node", "curl"])
def test_the_literal_is_the_body(language: str, tmp_path: Path) -> None:
    @_quiet
    @given(st.lists(BODIES, min_size=20, max_size=40))
    def check(bodies: list[dict[str, Any]]) -> None:
        assert_literals(language, [*HOSTILE_BODIES, *bodies], tmp_path)

    check()


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.needs("{language}")
@pytest.mark.parametrize("language", IDS)
def test_the_literals_of_all_languages_are_the_body(language: str, tmp_path: Path) -> None:
    slow = language in ("java", "go")

    @settings(_long, max_examples=8 if slow else 60)
    @given(st.lists(BODIES, min_size=20, max_size=100))
    def check(bodies: list[dict[str, Any]]) -> None:
        assert_literals(language, [*HOSTILE_BODIES, *bodies], tmp_path)

    check()


@pytest.mark.parametrize("language", IDS)
def test_names_are_quoted_in_the_address(language: str) -> None:
    text = snippet(language, start({}, owner="a'b\"c`$(x)", name="../é\n'"))
    assert "a%27b%22c%60%24%28x%29~..%2F%C3%A9%0A%27" in text


@pytest.mark.parametrize("language", IDS)
def test_a_long_body_is_read_from_a_file(language: str) -> None:
    text = snippet(language, start({"q": "x" * MAX_INLINE}))
    assert "body.json" in text
    assert len(text) < 3000


@pytest.mark.parametrize("language", IDS)
def test_the_body_contains_version_and_callback_but_no_key(language: str) -> None:
    made = Start(ORIGIN, "owner", "reader", {}, "v1.0.2", "https://example.org/hook?a='b'")
    assert made.body["version"] == "v1.0.2"
    text = snippet(language, made)
    assert "v1.0.2" in text
    assert "FYKE_KEY" in text
    assert "hook?a='b'" not in text  # the quotes are JSON escapes


def test_an_unknown_language_is_an_error() -> None:
    with pytest.raises(KeyError):
        snippet("../go", start({}))


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.needs("java", "go")
@pytest.mark.parametrize("inline", [True, False])
def test_java_and_go_compile(tmp_path: Path, inline: bool) -> None:
    custom = {"q": HOSTILE, "more": "x" * (0 if inline else MAX_INLINE)}
    for language, command, name in (
        ("java", ["javac", "-d", str(tmp_path)], "Start.java"),
        ("go", ["go", "build", "-o", "start"], "start.go"),
    ):
        run(command, snippet(language, start(custom)), tmp_path, name)
