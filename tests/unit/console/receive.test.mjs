// The parts in which the console receives an export. Run by test_receive.py.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { once } from "node:events";
import { test } from "node:test";

const source = await readFile(process.env.RECEIVE_JS, "utf-8");
const { receive, Received, Refused } = await import(`data:text/javascript,${encodeURIComponent(source)}`);

const TEXT = "0123456789";
const RANGES = { "accept-ranges": "bytes", etag: '"a"', "last-modified": "Mon, 30 Nov 2026 13:00:00 GMT" };

let arrived = () => {}; // called with the number of bytes whenever some were received

/** Receive a file from a server that answers with each of `steps` in turn. */
async function received(steps, options = {}) {
  const asked = [], paused = [];
  let renewals = 0;
  const server = createServer((request, response) => {
    asked.push(request.headers);
    steps[asked.length - 1](request, response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = `http://127.0.0.1:${server.address().port}/file`;
  const file = new Received();
  try {
    await receive(file, address, {
      signal: options.signal ?? new AbortController().signal,
      moved: () => arrived(file.bytes),
      broken() {},
      renew: async () => `${address}?${(renewals += 1)}`,
      pause: async (ms) => paused.push(ms),
    });
    const text = await file.file().text();
    return { text, asked, paused, renewals, file };
  } finally {
    arrived = () => {};
    server.closeAllConnections();
    server.close();
  }
}

/** Answer the requested part, but break the connection after `sent` bytes. */
function part(sent = TEXT.length, tag = '"a"', text = TEXT) {
  return (request, response) => {
    const begin = Number(/bytes=(\d+)-/.exec(request.headers.range)[1]);
    const asked = request.headers["if-range"];
    const whole = asked !== undefined && asked !== tag;
    const body = whole ? text : text.slice(begin);
    const range = whole ? {} : { "content-range": `bytes ${begin}-${text.length - 1}/${text.length}` };
    const headers = { ...RANGES, ...range, etag: tag, "content-length": body.length };
    response.writeHead(whole ? 200 : 206, headers);
    if (sent >= body.length) response.end(body);
    else breakAfter(response, body.slice(0, sent), begin + sent);
  };
}

/** Send a text, and break the connection when the client has `bytes` of the file. */
function breakAfter(response, text, bytes, stop = () => response.destroy()) {
  arrived = (now) => now === bytes && stop();
  response.write(text);
}

function status(code, headers = {}, body = "") {
  return (_, response) => response.writeHead(code, headers).end(body);
}

test("a broken connection continues where it stopped", async () => {
  const { text, asked, paused, file } = await received([part(4), part(3), part()]);
  assert.equal(text, TEXT);
  assert.deepEqual(asked.map((headers) => headers.range), ["bytes=0-", "bytes=4-", "bytes=7-"]);
  assert.deepEqual(asked.map((headers) => headers["if-range"]), [undefined, '"a"', '"a"']);
  assert.deepEqual(paused, [1000, 1000]);
  assert.equal(file.made.toISOString(), "2026-11-30T13:00:00.000Z");
});

test("a file that has changed begins again", async () => {
  const { text } = await received([part(4), part(20, '"b"', "another file")]);
  assert.equal(text, "another file");
});

test("an expired link is renewed", async () => {
  const { text, renewals } = await received([part(4), status(404), part()]);
  assert.deepEqual([text, renewals], [TEXT, 1]);
  await assert.rejects(received([status(404), status(404, {}, '{"message": "gone"}')]), /gone/);
});

test("a busy server is asked again later", async () => {
  const { text, paused } = await received([status(503), status(503), status(429, { "retry-after": "9" }), part()]);
  assert.deepEqual([text, paused], [TEXT, [1000, 2000, 9000]]);
});

test("an empty file is complete", async () => {
  const { text, asked } = await received([status(416, { "content-range": "bytes */0" })]);
  assert.deepEqual([text, asked.length], ["", 1]);
});

test("the file of an active run cannot be continued", async () => {
  const streamed = { "accept-ranges": "none" };
  const { text, file } = await received([status(200, streamed, TEXT)]);
  assert.deepEqual([text, file.all], [TEXT, TEXT.length]);
  const broken = (_, response) => {
    response.writeHead(200, streamed);
    breakAfter(response, "0123", 4);
  };
  await assert.rejects(received([broken]), Refused);
});

test("an error of the request says why", async () => {
  await assert.rejects(received([status(400, {}, '{"message": "too many columns"}')]), /too many columns/);
});

test("it can be stopped", async () => {
  const stopper = new AbortController();
  const stop = (_, response) => {
    response.writeHead(206, { ...RANGES, "content-range": "bytes 0-9/10" });
    breakAfter(response, "0123", 4, () => stopper.abort());
  };
  await assert.rejects(received([stop], { signal: stopper.signal }), { name: "AbortError" });
});
