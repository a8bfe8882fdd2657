"""The files of a new Node.js Worker without the SDK; it does the same as the Python one."""

from __future__ import annotations

from fyke.domain.workers.starter import INPUT_SCHEMA, OUTPUT_SCHEMA, readme

MAIN = """\
// Fetches web pages and stores their titles, one row for each.
"use strict";

const { once } = require("node:events");
const http = require("node:http");
const https = require("node:https");
const tls = require("node:tls");

const coresdk = require("./sdk");

const DEFAULT_URLS = [{ url: "https://example.com/" }];
const TITLE = /<title[^>]*>([^]*?)<\\/title>/i;
const ENTITIES = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", nbsp: " " };

function toText(text) {
  const plain = text.replace(/&(#x?)?(\\w+);/g, (whole, number, name) => {
    if (!number) return ENTITIES[name] ?? whole;
    const code = parseInt(name, number === "#" ? 10 : 16);
    return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : whole;
  });
  return plain.split(/\\s+/).filter(Boolean).join(" ");
}

// Connect through the platform's proxy, the only network access of the sandbox.
async function connect(target) {
  const [host, port] = process.env.PROXY_DOMAIN.split(":");
  const site = `${target.hostname}:${target.port || (target.protocol === "https:" ? 443 : 80)}`;
  const auth = Buffer.from(process.env.PROXY_AUTH ?? "").toString("base64");
  const headers = { "proxy-authorization": `Basic ${auth}` };
  const request = http.request({ host, port, method: "CONNECT", path: site, headers });
  request.end();
  const [response, socket] = await once(request, "connect");
  if (response.statusCode === 200) return socket;
  socket.destroy();
  const reason = `${response.statusCode} ${response.statusMessage}`;
  throw new Error(`the proxy did not reach ${site}: ${reason}`);
}

async function get(url, redirects = 5) {
  const target = new URL(url);
  const socket = await connect(target);
  const [client, createConnection] = target.protocol === "https:"
    ? [https, () => tls.connect({ socket, servername: target.hostname })]
    : [http, () => socket];
  const request = client.get(target, { createConnection, signal: AbortSignal.timeout(30000) });
  const [response] = await once(request, "response");
  const { statusCode: status, headers: { location } } = response;
  if (status >= 300 && status < 400 && location && redirects > 0) {
    response.destroy();
    return get(new URL(location, target), redirects - 1);
  }
  const parts = [];
  for await (const part of response) parts.push(part);
  return { status, body: Buffer.concat(parts) };
}

// Returns the row of one page, with the error when it could not be fetched.
async function visit(url) {
  const row = { url, status: 0, title: "", bytes: 0, error: "" };
  try {
    const { status, body } = await get(url);
    row.status = status;
    row.bytes = body.length;
    row.title = toText(TITLE.exec(body.toString())?.[1] ?? "");
  } catch (error) {
    row.error = error.message;
  }
  return row;
}

async function main() {
  const task = await coresdk.parameter.getInputJSONObject();
  const items = task.urls?.length ? task.urls : DEFAULT_URLS;
  for (const item of items) {
    const row = await visit(typeof item === "string" ? item : item.url);
    await coresdk.result.pushData(row);
    await coresdk.log.info(`${row.url}: ${row.error || row.status} ${row.title}`);
  }
}

main();
"""

PACKAGE = """\
{
  "name": "worker",
  "version": "1.0.0",
  "private": true,
  "main": "main.js",
  "dependencies": {}
}
"""

LOCK = """\
{
  "name": "worker",
  "version": "1.0.0",
  "lockfileVersion": 3,
  "requires": true,
  "packages": {
    "": {
      "name": "worker",
      "version": "1.0.0"
    }
  }
}
"""

ABOUT = """\
`main.js` is the Worker. `input_schema.json` defines the fields of its input, `output_schema.json`
the columns of its rows; `package.json` and `package-lock.json` list its dependencies
(`npm install NAME` writes both). The files named `sdk` connect it to the platform; do not edit
them.
"""


def files(title: str) -> dict[str, str]:
    """Return the files of a new project: path to content."""
    return {
        "main.js": MAIN,
        "input_schema.json": INPUT_SCHEMA,
        "output_schema.json": OUTPUT_SCHEMA,
        "README.md": readme(title, ABOUT),
        "package.json": PACKAGE,
        "package-lock.json": LOCK,
    }
