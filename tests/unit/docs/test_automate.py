"""The code on the page about n8n, Make and Zapier verifies callbacks, and reads all rows."""

from __future__ import annotations

import json
import re
import subprocess
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest

from fyke.domain.callbacks.signing import headers, secret_for

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "how-to" / "automate.md").read_text(encoding="utf-8")
WORKFLOWS = sorted((ROOT / "examples" / "n8n").glob("*.json"))
IN_N8N, IN_ZAPIER, ROWS = (
    textwrap.dedent(code) for code in re.findall(r"^ *```js\n(.*?)^ *```", PAGE, re.M | re.S)
)
BODY = json.dumps({"run_slug": "R1", "run_status": "succeeded", "result_message": "ü"})
SECRET = secret_for(b"master", "account")
AS_STEP = {
    "n8n": "const $input = {first: () => ({json: {headers: given.headers}})};"
    "const helpers = {getBinaryDataBuffer: async () => Buffer.from(given.body)};"
    "(async function () {%s}).call({helpers}).then((items) => done(items[0].json), failed);",
    "Zapier": "const h = given.headers; const inputData = {body: given.body, secret: given.secret,"
    " id: h['webhook-id'], time: h['webhook-timestamp'], signature: h['webhook-signature']};"
    "let output; (async () => {%s; return output})().then(done, failed);",
}
CODE = {"n8n": IN_N8N.replace("'whsec_...'", "given.secret"), "Zapier": IN_ZAPIER}


def node(program: str, given: dict[str, Any]) -> str:
    """What the program answers, or the message of its error."""
    before = (
        f"const given = {json.dumps(given)};"
        "const done = (value) => console.log(JSON.stringify(value));"
        "const failed = (error) => console.log(error.message);"
    )
    done = subprocess.run(
        ["node", "-e", before + program], capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout.strip()


@pytest.mark.needs("node")
@pytest.mark.parametrize("tool", AS_STEP)
def test_a_callback_is_verified(tool: str) -> None:
    def answer(secret: str = SECRET, body: str = BODY, age: int = 0, **more: str) -> str:
        signed = headers(SECRET, "msg_1", int(time.time()) - age, BODY.encode())
        given = {"headers": {**signed, **more}, "body": body, "secret": secret}
        return node(AS_STEP[tool].replace("%s", "\n" + CODE[tool]), given)

    assert json.loads(answer()) == {"id": "msg_1", **json.loads(BODY)}
    assert answer(secret_for(b"master", "other")) == "not from Fyke"
    assert answer(body=BODY.replace("R1", "R2")) == "not from Fyke"
    assert answer(age=301) == answer(**{"webhook-timestamp": "soon"}) == "too old"
    assert answer(**{"webhook-signature": "v1,AAAA v2"}) == "not from Fyke"


@pytest.mark.needs("node")
def test_the_rows_of_all_pages_are_read() -> None:
    fetch = """
    const pages = {'*': {list: [1, 2], next_cursor: 'b c'}, 'b c': {list: [3], next_cursor: ''}};
    const asked = [];
    const fetch = async (url, options) => {
      asked.push(options.headers.Authorization + ' ' + url.split('?')[0]);
      const data = pages[new URL(url).searchParams.get('cursor')];
      return {ok: given.ok, status: 404, json: async () => ({data})};
    };
    const inputData = {fyke: 'https://fyke.example', key: 'k', run: 'R1'};
    let output;
    (async () => {%s; return {output, asked}})().then(done, failed);
    """
    program = fetch.replace("%s", ROWS)
    address = "Bearer k https://fyke.example/api/v2/worker-runs/R1/result"
    found = json.loads(node(program, {"ok": True}))
    assert found == {"output": [1, 2, 3], "asked": [address, address]}
    assert node(program, {"ok": False}) == "Fyke answered 404"


def test_the_workflows_are_those_of_the_page() -> None:
    nodes: dict[str, dict[str, Any]] = {}
    for path in WORKFLOWS:
        flow = json.loads(path.read_text(encoding="utf-8"))
        own = {node["name"]: node for node in flow["nodes"]}
        assert f"](../../examples/n8n/{path.name})" in PAGE and flow["active"] is False
        targets = [link["node"] for outputs in flow["connections"].values()
                   for output in outputs["main"] for link in output]  # fmt: skip
        assert {*targets, *flow["connections"]} == set(own)
        assert not any("credentials" in node for node in own.values())
        nodes |= own
    assert len(WORKFLOWS) == 3
    assert nodes["Verify"]["parameters"]["jsCode"] == IN_N8N.strip()
    [header] = nodes["Start a run"]["parameters"]["headerParameters"]["parameters"]
    assert header["value"].removeprefix("=") in PAGE
    paging = nodes["Rows"]["parameters"]["options"]["pagination"]["pagination"]
    [cursor] = paging["parameters"]["parameters"]
    for expression in (cursor["value"], paging["completeExpression"]):
        assert f"`{expression.removeprefix('=')}`" in PAGE
