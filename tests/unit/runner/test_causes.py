"""The cause of an end in the last lines of stderr."""

from __future__ import annotations

from textwrap import dedent

import pytest

from fyke.domain.workers.project import SDK_FILES
from fyke.runner.causes import cause


def found(text: str) -> str:
    return cause(dedent(text).strip("\n").split("\n"))


PYTHON = """
    starting
    Traceback (most recent call last):
      File "/work/main.py", line 9, in <module>
        main()
      File "/work/pages/price.py", line 4, in read
        return parse(page)
      File "/env/lib/python3.13/site-packages/parsel/selector.py", line 77, in parse
        raise KeyError(name)
    KeyError: 'price'
"""


def test_a_warning_and_its_source_are_not_the_cause() -> None:
    warning = """
        /env/lib/python3.13/site-packages/selenium/remote_connection.py:391: UserWarning: Embedding
          headers = self.get_remote_connection_headers(parsed_url, self._client_config.keep_alive)
    """
    assert found(warning) == ""
    assert found("giving up\n" + dedent(warning).strip("\n")) == "giving up"
    assert found("main.py:4: DeprecationWarning: old\nnot indented") == "not indented"


def test_an_exception_is_named_with_the_innermost_place_in_the_workers_code() -> None:
    assert found(PYTHON) == "KeyError: 'price' (pages/price.py:4)"


@pytest.mark.parametrize(
    "noise",
    [
        "sys:1: ResourceWarning: unclosed <socket.socket fd=7>",
        "Unclosed client session\nclient_session: <aiohttp.client.ClientSession object>",
        "Exception ignored in: <function Transport.__del__ at 0x7f>\n"
        "Traceback (most recent call last):\n"
        '  File "/usr/lib/python3.13/asyncio/base_events.py", line 5, in close\n'
        "RuntimeError: Event loop is closed",
    ],
)
def test_what_python_prints_after_the_traceback_does_not_count(noise: str) -> None:
    lines = [*dedent(PYTHON).strip("\n").split("\n"), *noise.split("\n")]
    assert cause(lines) == "KeyError: 'price' (pages/price.py:4)"


def test_of_a_chain_of_exceptions_the_one_that_ended_the_program_counts() -> None:
    assert (
        found(
            """
            Traceback (most recent call last):
              File "/work/main.py", line 3, in <module>
                int("x")
            ValueError: invalid literal for int() with base 10: 'x'

            The above exception was the direct cause of the following exception:

            Traceback (most recent call last):
              File "/work/main.py", line 5, in <module>
                raise RuntimeError("no pages") from error
            RuntimeError: no pages
            """
        )
        == "RuntimeError: no pages (main.py:5)"
    )


def test_an_exception_group_is_named_by_its_last_exception_with_a_traceback() -> None:
    assert (
        found(
            """
              + Exception Group Traceback (most recent call last):
              |   File "/work/main.py", line 8, in <module>
              |     asyncio.run(main())
              | ExceptionGroup: unhandled errors in a TaskGroup (1 sub-exception)
              +-+---------------- 1 ----------------
                | Traceback (most recent call last):
                |   File "/work/main.py", line 5, in one
                |     raise OSError("gone")
                | OSError: gone
                +------------------------------------
            """
        )
        == "OSError: gone (main.py:5)"
    )


def test_errors_without_a_header_keep_their_place() -> None:
    assert (
        found(
            """
              File "/work/main.py", line 2
                print("x"
                     ^
            SyntaxError: '(' was never closed
            """
        )
        == "SyntaxError: '(' was never closed (main.py:2)"
    )
    cut_off = dedent(PYTHON).strip("\n").split("\n")[-4:]
    assert cause(cut_off) == "KeyError: 'price'"  # the frame is not among the lines


def test_an_exception_with_a_text_of_several_lines_is_named_by_the_first() -> None:
    text = dedent(PYTHON) + "Call log:\n  - <ws connecting> ws://127.0.0.1:9222/\n"
    assert found(text) == "KeyError: 'price' (pages/price.py:4)"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            """
            /work/main.js:3
                throw new Error("Request failed with status code 503");
                ^

            Error: Request failed with status code 503
                at settle (/work/node_modules/axios/lib/core/settle.js:19:12)
                at async read (/work/lib/read.js:7:3)
                at async file:///work/main.js:12:1

            Node.js v20.20.2
            """,
            "Error: Request failed with status code 503 (lib/read.js:7)",
        ),
        (
            """
            node:internal/process/promises:394
                  triggerUncaughtException(err, true /* fromPromise */);
                  ^

            TypeError: fetch failed
                at node:internal/deps/undici/undici:13510:13
                at async main (file:///work/main.js:4:9) {
              [cause]: Error: getaddrinfo ENOTFOUND shop.example
                  at GetAddrInfoReqWrap.onlookupall [as oncomplete] (node:dns:122:26) {
                errno: -3008,
                code: 'ENOTFOUND'
              }
            }

            Node.js v20.20.2
            """,
            "TypeError: fetch failed: Error: getaddrinfo ENOTFOUND shop.example (main.js:4)",
        ),
        (
            """
            Failed: Error [ERR_STREAM_DESTROYED]: Cannot call write after a stream was destroyed
                at new NodeError (node:internal/errors:405:5) {
              code: 'ERR_STREAM_DESTROYED'
            }
            """,
            "Failed: Error [ERR_STREAM_DESTROYED]: Cannot call write after a stream was destroyed",
        ),
        (
            """
            Error: page.goto: net::ERR_TUNNEL_CONNECTION_FAILED
            Call log:
              - navigating to "https://shop.example/"

                at main (/work/main.js:5:14)
            """,
            "Error: page.goto: net::ERR_TUNNEL_CONNECTION_FAILED (main.js:5)",
        ),
        (
            """
            /work/main.js:1
            throw "no pages";
            ^
            no pages
            (Use `node --trace-uncaught ...` to show where the exception was thrown)

            Node.js v20.20.2
            """,
            "no pages",
        ),
        (
            """
            /work/main.js:9
                throw fault;
                ^

            MyFault: no price
            at the second attempt
                at read (/work/main.js:9:11) {
              code: 'E_X'
            }

            Node.js v20.20.2
            """,
            "MyFault: no price (main.js:9)",
        ),
        (
            """
            Error: page 2 is missing, it is left out
                at read (/work/main.js:3:5)
            reading page 3
            MyFault: no price
                at read (/work/main.js:9:11)
            """,
            "MyFault: no price (main.js:9)",
        ),
        (
            """
            node:internal/process/promises:389
                  new UnhandledPromiseRejection(reason);
                  ^

            UnhandledPromiseRejection: This error originated either by throwing inside of an async \
function without a catch block, or by rejecting a promise which was not handled with .catch(). The \
promise rejected with the reason "no "price"".
                at throwUnhandledRejectionsMode (node:internal/process/promises:389:7) {
              code: 'ERR_UNHANDLED_REJECTION'
            }

            Node.js v20.20.2
            """,
            'UnhandledPromiseRejection: no "price"',
        ),
        ("no prices\n}", "no prices"),
        ("}", "}"),
    ],
)
def test_of_nodejs_the_line_of_the_error_counts(text: str, expected: str) -> None:
    assert found(text) == expected


@pytest.mark.parametrize(
    ("above", "expected"),
    [
        ("reading page 3", "aborted (lib/pages.js:2)"),
        (
            "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory",
            "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory"
            " (lib/pages.js:2)",
        ),
    ],
)
def test_a_native_stack_of_nodejs_is_named_by_its_fatal_error(above: str, expected: str) -> None:
    trace = """
        ----- Native stack trace -----

         1: 0x105a9d0  [node]
         2: 0x1284dd2 v8::internal::FunctionCallbackArguments::Call(v8::internal::Handler) [node]

        ----- JavaScript stack trace -----

        1: read (/work/lib/pages.js:2:9)
        2: /work/main.js:7:1
        3: Module._compile (node:internal/modules/cjs/loader:1521:14)
    """
    assert found(f"{above}\n{dedent(trace)}") == expected


@pytest.mark.parametrize(
    "file", [file for files in SDK_FILES.values() for file in files if file.endswith(".py")]
)
def test_the_place_is_not_in_the_sdk_for_python(file: str) -> None:
    lines = [
        "Traceback (most recent call last):",
        '  File "/work/main.py", line 9, in <module>',
        "    push({})",
        f'  File "/work/{file}", line 409, in push',
        "    raise SDKError(text)",
        "sdk.SDKError: The row has 9437192 bytes",
    ]
    assert cause(lines) == "sdk.SDKError: The row has 9437192 bytes (main.py:9)"


@pytest.mark.parametrize(
    "file", [file for files in SDK_FILES.values() for file in files if file.endswith(".js")]
)
def test_the_place_is_not_in_the_sdk_for_nodejs(file: str) -> None:
    lines = [
        "SDKError: The row has 9437192 bytes",
        f"    at push (/work/{file}:110:11)",
        "    at main (/work/lib/sdk.js:3:5)",
    ]
    assert cause(lines) == "SDKError: The row has 9437192 bytes (lib/sdk.js:3)"


def test_of_go_the_panic_counts() -> None:
    assert (
        found(
            """
            2026/11/27 12:00:00 starting
            panic: runtime error: index out of range [5] with length 3

            goroutine 1 [running]:
            example.com/parse.Read(...)
            \texample.com/parse@v1.0.0/read.go:7
            main.main()
            \tworker/main.go:8 +0x1d
            exit status 2
            """
        )
        == "panic: runtime error: index out of range [5] with length 3 (main.go:8)"
    )


def test_without_an_error_the_last_line_counts() -> None:
    assert found("reading\ncannot read bad-two\n\n") == "cannot read bad-two"
    assert cause([]) == cause(["", "  "]) == ""
