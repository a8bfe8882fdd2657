import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";

import { ApiError, ClientError, Fyke, Unreachable } from "@fyke/client";
import { KEY, RUN, failure, lost, run, serve, silent } from "./server.js";

const STARTED = { run_slug: RUN };
const BUSY = { "retry-after": "0" };

test("a request has the key in a header and its data is returned", async (t) => {
  const { fyke, received } = await serve(t, { balance: "1.50", traffic: 7 });
  assert.deepEqual(await fyke.accountInfo(), { balance: "1.50", traffic: 7 });
  assert.equal(received[0].path, "/api/v2/users/account");
  assert.equal(received[0].headers.authorization, `Bearer ${KEY}`);
});

test("address and key come from the environment", async (t) => {
  const { url, received } = await serve(t, {});
  Object.assign(process.env, { FYKE_URL: `${url}/`, FYKE_KEY: ` ${KEY}\n` });
  t.after(() => ["FYKE_URL", "FYKE_KEY"].forEach((name) => delete process.env[name]));
  await new Fyke().accountInfo();
  assert.equal(received[0].headers.authorization, `Bearer ${KEY}`);
});

test("a server below a path is asked there", async (t) => {
  const { url, client, received } = await serve(t, {});
  await client({ url: `${url}/fyke/` }).accountInfo();
  assert.equal(received[0].path, "/fyke/api/v2/users/account");
});

test("without an address it is that of a server on this machine", async () => {
  const addresses = [];
  const fetch = async (address) => {
    addresses.push(address);
    return Response.json({ code: 0, message: "success", data: {} });
  };
  await new Fyke({ key: KEY, fetch }).accountInfo();
  assert.deepEqual(addresses, ["http://127.0.0.1:8100/api/v2/users/account"]);
});

for (const [name, options, message] of [
  ["no key", { url: "http://a.example" }, /FYKE_KEY/],
  ["an address without a scheme", { url: "a.example", key: KEY }, /http or https/],
  ["another scheme", { url: "file:///a", key: KEY }, /http or https/],
  ["a password in the address", { url: "http://u:secret@a.example", key: KEY }, /password/],
  ["a key of two lines", { url: "http://a.example", key: `${KEY}\nx` }, /no key has/],
]) {
  test(`${name} is refused without showing a secret`, () => {
    const refused = (error) =>
      error instanceof TypeError && message.test(error.message) && !/secret|scraper_api/.test(error);
    assert.throws(() => new Fyke(options), refused);
  });
}

test("an error has status, code, details, names and request id", async (t) => {
  const names = { "x-fyke-error": "refused", "x-fyke-reason": "plan", "x-request-id": "R9" };
  const refusal = failure(400, 30003, "plan limit", { ...names, "retry-after": "7" }, ["one"]);
  const { fyke } = await serve(t, refusal);
  const error = await fyke.start("owner/hello").catch((error) => error);
  assert.ok(error instanceof ApiError && error instanceof ClientError);
  const { status, code, message, details, key, reason, requestId, retryAfter } = error;
  assert.deepEqual([status, code, message, details], [400, 30003, "plan limit", ["one"]]);
  assert.deepEqual([key, reason, requestId, retryAfter], ["refused", "plan", "R9", 7]);
  assert.match(error.stack, /^ApiError: plan limit\n/);
});

test("the key is in no error and no output", async (t) => {
  const { fyke } = await serve(t, failure(401, 12002, "invalid token"));
  const closed = new Fyke({ url: "http://127.0.0.1:1", key: KEY, retries: 0 });
  const errors = await Promise.all([fyke, closed].map((each) => each.accountInfo().catch((e) => e)));
  assert.equal(errors.length, 2);
  for (const shown of [fyke, ...errors]) {
    assert.ok(!inspect(shown, { depth: 9, showHidden: true }).includes(KEY));
    assert.ok(!`${JSON.stringify(shown)}${shown.stack}`.includes(KEY));
  }
});

test("a redirect is not followed, so the key stays with the server", async (t) => {
  const other = await serve(t, {});
  const { fyke } = await serve(t, (response) => {
    response.writeHead(307, { location: other.url }).end();
  });
  await assert.rejects(fyke.accountInfo(), Unreachable);
  assert.equal(other.received.length, 0);
});

test("what is not a Fyke server is named", async (t) => {
  const { fyke, received } = await serve(t, (response) => response.end("<html>"));
  await assert.rejects(fyke.accountInfo(), /answered 200, but is not a Fyke server/);
  assert.equal(received.length, 1);
});

test("a read is repeated after a lost connection, 502, 503 and 429", async (t) => {
  const proxy = (response) => response.writeHead(502).end("<html>");
  const down = failure(503, 10000, "down");
  const { client, received } = await serve(
    t,
    ...[lost, proxy, down, failure(429, 13000, "slow down", BUSY), { balance: "1" }],
  );
  assert.equal((await client({ retries: 4 }).accountInfo()).balance, "1");
  assert.equal(received.length, 5);
});

test("retries end, and the last error remains", async (t) => {
  const { client, received } = await serve(t, failure(429, 13000, "slow down", BUSY));
  await assert.rejects(client({ retries: 2 }).accountInfo(), { code: 13000, retryAfter: 0 });
  assert.equal(received.length, 3);
});

test("a server that asks for more than a minute is not waited for", async (t) => {
  const { fyke, received } = await serve(t, failure(429, 13000, "x", { "retry-after": "61" }));
  await assert.rejects(fyke.accountInfo(), { retryAfter: 61 });
  assert.equal(received.length, 1);
});

test("other errors are not repeated", async (t) => {
  const { fyke, received } = await serve(t, failure(500, 10000, "fault"));
  await assert.rejects(fyke.accountInfo(), { status: 500, requestId: "R2" });
  assert.equal(received.length, 1);
});

test("a start whose answer is lost is repeated with the same key and body", async (t) => {
  const unknown = failure(503, 10000, "unknown", { "x-fyke-error": "outcome_unknown" });
  const { fyke, received } = await serve(t, lost, unknown, STARTED);
  assert.equal(await fyke.start("owner/hello", { a: 1 }), RUN);
  const sent = received.map(({ headers, body }) => headers["idempotency-key"] + body);
  assert.equal(received.length, 3);
  assert.equal(new Set(sent).size, 1);
});

test("each start has another idempotency key, unless it is given", async (t) => {
  const { fyke, received } = await serve(t, STARTED);
  await fyke.start("owner/hello");
  await fyke.rerun(RUN);
  await fyke.startTask("TASK");
  await fyke.start("owner/hello", {}, { idempotencyKey: "order-1" });
  const keys = received.map(({ headers }) => headers["idempotency-key"]);
  assert.equal(new Set(keys).size, 4);
  assert.ok(keys.every((key) => key.length >= 7));
  assert.equal(keys[3], "order-1");
});

test("an idempotency key that no header can contain is refused", async (t) => {
  const { fyke, received } = await serve(t, STARTED);
  for (const idempotencyKey of ["", "a\nb", " a", "é", "x".repeat(256)]) {
    await assert.rejects(fyke.rerun(RUN, { idempotencyKey }), TypeError);
  }
  assert.equal(received.length, 0);
  assert.equal(await fyke.rerun(RUN, { idempotencyKey: "order 4711" }), RUN);
});

test("what may have had an effect is not repeated", async (t) => {
  const unknown = failure(503, 10000, "unknown", { "x-fyke-error": "outcome_unknown" });
  for (const end of [lost, unknown]) {
    const { fyke, received } = await serve(t, end, { slug: "T" });
    await assert.rejects(fyke.createTask("owner/hello", {}), ClientError);
    assert.equal(received.length, 1);
  }
});

test("what had no effect is repeated", async (t) => {
  const busy = failure(429, 13000, "slow down", BUSY);
  const { fyke, received } = await serve(t, failure(503, 10000, "down"), busy, { slug: "T" });
  assert.equal(await fyke.createTask("owner/hello", {}), "T");
  assert.equal(received.length, 3);
});

test("a server that cannot be reached is unreachable after all retries", async () => {
  const fyke = new Fyke({ url: "http://127.0.0.1:1", key: KEY, retryDelay: 1 });
  await assert.rejects(fyke.createTask("a/b", {}), (error) => {
    return error instanceof Unreachable && /127.0.0.1:1 cannot be reached/.test(error.message);
  });
});

test("a mistake in a fetch of the caller is its own error, at once", async () => {
  let requests = 0;
  const fetch = async () => {
    requests++;
    return undefined.headers;
  };
  const fyke = new Fyke({ url: "http://a.example", key: KEY, retryDelay: 1, fetch });
  await assert.rejects(fyke.accountInfo(), { name: "TypeError", message: /undefined/ });
  assert.equal(requests, 1);
});

test("a request that takes too long is unreachable", async () => {
  let requests = 0;
  const fetch = (_, { signal }) => {
    requests++;
    return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  };
  const options = { url: "http://a.example", key: KEY, timeout: 1, retries: 1, retryDelay: 1 };
  await assert.rejects(new Fyke({ ...options, fetch }).accountInfo(), {
    name: "Unreachable",
    message: /did not answer in time/,
  });
  assert.equal(requests, 2);
});

test("a signal stops a request, a pause and a wait with its reason", async (t) => {
  const reason = new Error("enough");
  for (const [answers, action] of [
    [[silent], (fyke, signal) => fyke.accountInfo({ signal })],
    [[failure(429, 13000, "x", { "retry-after": "60" })], (fyke, signal) => fyke.accountInfo({ signal })],
    [[run("running"), silent], (fyke, signal) => fyke.wait(RUN, { signal })],
  ]) {
    const controller = new AbortController();
    const { fyke, received } = await serve(t, ...answers);
    const outcome = action(fyke, controller.signal).catch((error) => error);
    while (!received.length) await new Promise(setImmediate);
    controller.abort(reason);
    assert.equal(await outcome, reason);
  }
  const { fyke, received } = await serve(t, {});
  await assert.rejects(fyke.accountInfo({ signal: AbortSignal.abort(reason) }), reason);
  assert.equal(received.length, 0);
});

test("names are one segment of the path", async (t) => {
  const { fyke, received } = await serve(t, {});
  await fyke.worker("owner/my worker");
  await fyke.run("../account?x");
  const paths = ["/api/v2/workers/owner~my%20worker", "/api/v2/worker-runs/..%2Faccount%3Fx"];
  assert.deepEqual(received.map(({ path }) => path), paths);
  for (const name of ["..", ".", "", undefined]) await assert.rejects(fyke.run(name), TypeError);
  await assert.rejects(fyke.worker(undefined), TypeError);
  assert.equal(received.length, 2);
});

test("any other operation is called by its path, and repeated only where that is safe", async (t) => {
  const answers = [lost, { n: 1 }, lost, lost, { n: 3 }];
  const { fyke, received } = await serve(t, ...answers);
  const query = { page_size: 5 };
  assert.deepEqual(await fyke.request("GET", "/api/fyke/alerts", { query }), { n: 1 });
  assert.equal(`${received[1].path}?${received[1].query}`, "/api/fyke/alerts?page_size=5");
  const body = { a: 1 };
  await assert.rejects(fyke.request("POST", "/api/x", { body }), Unreachable);
  const start = { body, idempotencyKey: "order-1" };
  assert.deepEqual(await fyke.request("POST", "/api/x", start), { n: 3 });
  assert.deepEqual([received.length, received[4].json], [5, body]);
  assert.equal(received[4].headers["idempotency-key"], "order-1");
});

test("a server says why it is not ready", async (t) => {
  const down = failure(503, 10000, "Not ready: no runner is alive");
  const { client } = await serve(t, down, down, { ready: true }, { version: "0.1.0" });
  const fyke = client({ retries: 0 });
  assert.equal(await fyke.notReady(), "no runner is alive");
  assert.deepEqual([await fyke.ready(), await fyke.ready()], [false, true]);
  assert.equal(await fyke.version(), "0.1.0");
  const refused = await serve(t, failure(401, 12002, "invalid token"));
  await assert.rejects(refused.fyke.ready(), { status: 401 });
});
