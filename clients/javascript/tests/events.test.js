import assert from "node:assert/strict";
import { test } from "node:test";

import { ApiError, Unreachable } from "@fyke/client";
import { Connection } from "../src/connection.js";
import { parse } from "../src/events.js";
import { KEY, RUN, all, failure, lost, run, serve, silent, stream } from "./server.js";

const rows = (first, last) => {
  const list = [];
  for (let n = first; n <= last; n++) list.push({ position: n, row: { n } });
  return `event: rows\nid: 0.${last}.running\ndata: ${JSON.stringify({ list })}\n\n`;
};
const END = `event: end\nid: 0.3.end\ndata: ${JSON.stringify(run("succeeded"))}\n\n`;
const numbers = async (iterable) => (await all(iterable)).map(({ n }) => n);
const ids = (received) => received.map(({ headers }) => headers["last-event-id"]);

test("rows are read while the run goes on", async (t) => {
  const { fyke, received } = await serve(t, stream(["retry: 2000\n\n", rows(1, 2), END]));
  assert.deepEqual(await numbers(fyke.followRows(RUN)), [1, 2]);
  assert.equal(received[0].path, `/api/v2/worker-runs/${RUN}/events`);
  assert.equal(received[0].query.get("kinds"), "rows");
});

test("a row arrives before the stream goes on", async (t) => {
  let proceed;
  const { fyke } = await serve(
    t,
    stream([rows(1, 1)], async (response) => {
      await new Promise((resolve) => (proceed = resolve));
      response.end(END);
    }),
  );
  const seen = [];
  for await (const { n } of fyke.followRows(RUN)) {
    seen.push(n);
    proceed();
  }
  assert.deepEqual(seen, [1]);
});

test("events that are cut anywhere are put together", async (t) => {
  const text = `: keep-alive\n\nevent: log\r\nid: 1.0.running\r\ndata: {"list":[{"content":"é😀"}]}\r\n\r\n${END}`;
  const bytes = [...Buffer.from(text)].map((byte) => Buffer.from([byte]));
  const { fyke } = await serve(t, stream(bytes));
  const [log, end] = await all(fyke.follow(RUN));
  assert.deepEqual(log, { kind: "log", id: "1.0.running", data: { list: [{ content: "é😀" }] } });
  assert.deepEqual([end.kind, end.data.status], ["end", "succeeded"]);
});

test("a row may contain every character that ends a line elsewhere", async (t) => {
  const row = { text: "a\u0085b\u2028c\u2029d: e\r\nf" };
  const event = `event: rows\nid: 0.1.running\ndata: ${JSON.stringify({ list: [{ position: 1, row }] })}\n\n`;
  const { fyke, received } = await serve(t, stream([event, END]));
  assert.deepEqual(await all(fyke.followRows(RUN)), [row]);
  assert.equal(received.length, 1);
});

test("a field may have no space, and no value", async () => {
  const chunks = async function* () {
    yield Buffer.from("retry\nevent:status\nid\ndata:{}\n\n");
  };
  assert.deepEqual(await all(parse(chunks())), [{ id: "", kind: "status", data: {} }]);
});

test("rows that are followed have no row id", async (t) => {
  const row = { n: 1, __coreclaw_data_id__: "9f2c61b0a7d34e58" };
  const event = `event: rows\nid: 0.1.running\ndata: ${JSON.stringify({ list: [{ position: 1, row }] })}\n\n`;
  const { fyke } = await serve(t, stream([event, END]));
  assert.deepEqual(await all(fyke.followRows(RUN)), [{ n: 1 }]);
});

test("a lost stream continues after the last event", async (t) => {
  const { fyke, received } = await serve(
    t,
    ...[stream([rows(1, 2)], lost), lost, failure(503, 10000, "down"), stream([rows(3, 3), END])],
  );
  assert.deepEqual(await numbers(fyke.followRows(RUN)), [1, 2, 3]);
  assert.deepEqual(ids(received), [undefined, ...Array(3).fill("0.2.running")]);
});

test("a stream that a stopping server ends is continued", async (t) => {
  const { fyke, received } = await serve(t, stream([rows(1, 1)]), stream([END]));
  assert.deepEqual(await numbers(fyke.followRows(RUN)), [1]);
  assert.deepEqual(ids(received), [undefined, "0.1.running"]);
});

test("an event that is incomplete is sent again", async (t) => {
  const cut = rows(2, 2).slice(0, -2);
  const { fyke } = await serve(t, stream([rows(1, 1), cut], lost), stream([rows(2, 2), END]));
  assert.deepEqual(await numbers(fyke.followRows(RUN)), [1, 2]);
});

test("the stream of a run that has been read to its end is empty", async (t) => {
  const { fyke, received } = await serve(t, (response) => response.writeHead(204).end());
  assert.deepEqual(await all(fyke.follow(RUN, { after: "0.3.end" })), []);
  assert.deepEqual(ids(received), ["0.3.end"]);
});

test("the stream of a deleted run is an error", async (t) => {
  const gone = failure(404, 70001, "run record does not exist");
  const { fyke } = await serve(t, stream([rows(1, 1)]), gone);
  await assert.rejects(all(fyke.followRows(RUN)), (error) => {
    return error instanceof ApiError && error.code === 70001;
  });
});

test("a proxy that ends each stream is not asked forever", async (t) => {
  const { fyke, received } = await serve(t, stream([]));
  await assert.rejects(all(fyke.follow(RUN)), Unreachable);
  assert.equal(received.length, 11);
});

test("comments show that a stream is alive", async (t) => {
  const quiet = Array.from({ length: 12 }, () => stream([": keep-alive\n\n"]));
  const { fyke } = await serve(t, ...quiet, stream([END]));
  assert.equal((await all(fyke.follow(RUN))).length, 1);
});

test("a signal stops a stream that is silent", async (t) => {
  const reason = new Error("enough");
  const { fyke } = await serve(t, stream([rows(1, 1)], silent));
  const controller = new AbortController();
  const seen = [];
  const reading = (async () => {
    for await (const { n } of fyke.followRows(RUN, { signal: controller.signal })) {
      seen.push(n);
      setImmediate(() => controller.abort(reason));
    }
  })();
  await assert.rejects(reading, reason);
  assert.deepEqual(seen, [1]);
});

test("a stream that falls silent is lost", async (t) => {
  const { url } = await serve(t, stream(["data"], silent));
  const chunks = await new Connection({ url, key: KEY }).stream("/", 20, {});
  assert.equal(Buffer.from((await chunks.next()).value).toString(), "data");
  await assert.rejects(chunks.next(), { name: "Unreachable", message: /did not answer in time/ });
});

test("a stream that is left is closed", async (t) => {
  let closed;
  const end = new Promise((resolve) => (closed = resolve));
  const { fyke } = await serve(
    t,
    stream([rows(1, 2)], (response) => response.on("close", closed)),
  );
  for await (const { n } of fyke.followRows(RUN)) {
    assert.equal(n, 1);
    break;
  }
  assert.equal(await end, undefined);
});

test("the log is followed", async (t) => {
  const entry = { position: 1, type: 2, group: "1", content: "read", timestamp: 5 };
  const log = `event: log\nid: 1.0.running\ndata: ${JSON.stringify({ list: [entry] })}\n\n`;
  const { fyke, received } = await serve(t, stream([log, END]));
  assert.deepEqual(await all(fyke.followLogs(RUN)), [entry]);
  assert.equal(received[0].query.get("kinds"), "log");
});
