import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { test } from "node:test";

import { InvalidSignature, verifyWebhook } from "@fyke/client";

// the example that Standard Webhooks publishes
const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const BODY = '{"test": 2432232314}';
const NOW = 1614265330;
const HEADERS = {
  "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
  "webhook-timestamp": `${NOW}`,
  "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
};
const MESSAGE = { body: BODY, headers: HEADERS, secret: SECRET, now: NOW };

test("the published example is genuine", async () => {
  assert.deepEqual(await verifyWebhook(MESSAGE), { test: 2432232314 });
});

test("bodies and headers have every form of Node.js and the web", async () => {
  const bytes = new TextEncoder().encode(BODY);
  const upper = Object.fromEntries(Object.entries(HEADERS).map(([k, v]) => [k.toUpperCase(), [v]]));
  for (const body of [bytes, bytes.buffer, Buffer.from(BODY)]) {
    for (const headers of [new Headers(HEADERS), upper]) {
      assert.equal((await verifyWebhook({ ...MESSAGE, body, headers })).test, 2432232314);
    }
  }
});

test("one of several signatures and secrets is enough", async () => {
  const other = `v1,${createHmac("sha256", "x").update("y").digest("base64")}`;
  const signature = `v2,abc v1,=* ${other} ${HEADERS["webhook-signature"]}`;
  const headers = { ...HEADERS, "webhook-signature": signature };
  const secret = ["whsec_b3RoZXI=", SECRET];
  assert.equal((await verifyWebhook({ ...MESSAGE, headers, secret })).test, 2432232314);
});

for (const [name, change] of [
  ["another body", { body: BODY + " " }],
  ["another secret", { secret: "whsec_b3RoZXI=" }],
  ["another id", { headers: { ...HEADERS, "webhook-id": "msg_2" } }],
  ["a message of the past", { now: NOW + 301 }],
  ["a message of the future", { now: NOW - 301 }],
  ["a message of another time than it says", { headers: { ...HEADERS, "webhook-timestamp": `${NOW + 1}` } }],
  ["a time that is none", { headers: { ...HEADERS, "webhook-timestamp": "0x10" } }],
  ["no signature", { headers: { ...HEADERS, "webhook-signature": undefined } }],
  ["a signature without its version", { headers: { ...HEADERS, "webhook-signature": HEADERS["webhook-signature"].slice(3) } }],
]) {
  test(`${name} is refused`, async () => {
    await assert.rejects(verifyWebhook({ ...MESSAGE, ...change }), InvalidSignature);
  });
}

test("the time of the machine counts, and its tolerance", async () => {
  await assert.rejects(verifyWebhook({ ...MESSAGE, now: undefined }), /too old/);
  assert.ok(await verifyWebhook({ ...MESSAGE, now: undefined, tolerance: 1e10 }));
});

test("a parsed body and an unusable secret are errors of the program", async () => {
  await assert.rejects(verifyWebhook({ ...MESSAGE, body: JSON.parse(BODY) }), TypeError);
  for (const secret of ["", "whsec_", "whsec_*"]) {
    await assert.rejects(verifyWebhook({ ...MESSAGE, secret }), TypeError);
  }
});
