// Run a Worker from start to file: start, callback, poll, page, export.
//
//     npm ci
//     FYKE_KEY=... FYKE_WORKER=owner/website-content-crawler node run.mjs results.csv
//
// See ../README.md for the variables.

import axios from "axios";
import { createHmac, timingSafeEqual } from "node:crypto";
import { createWriteStream } from "node:fs";
import { createServer } from "node:http";
import { pipeline } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";

const url = process.env.FYKE_URL ?? "http://127.0.0.1:8100";
const worker = process.env.FYKE_WORKER;
const input = JSON.parse(process.env.FYKE_INPUT ?? "{}");
const secret = process.env.FYKE_WEBHOOK_SECRET ?? "";
const port = Number(process.env.FYKE_CALLBACK_PORT ?? 8099);
const file = process.argv[2] ?? "results.csv";

const SUCCEEDED = 3;
const FINAL = new Set([3, 4, 5]);
const PAGE_SIZE = 100;

const api = axios.create({
  baseURL: url,
  timeout: 30_000,
  headers: { "api-key": process.env.FYKE_KEY },
  validateStatus: () => true, // an error has a body that says what is wrong
});

/** POST and return `data`; wait and try again while the platform says "too many requests". */
async function call(path, body) {
  for (let attempt = 0; ; attempt++) {
    const response = await api.post(path, body);
    const { code, message, data } = response.data;
    if (code === 4290 && attempt < 5) {
      await sleep(1000 * Number(response.headers["retry-after"] ?? 2 ** attempt));
      continue;
    }
    if (code !== 0) throw new Error(`${path}: ${code} ${message}`);
    return data;
  }
}

/** Standard Webhooks: HMAC-SHA256 over id, time and body, no older than five minutes. */
function isGenuine(headers, body) {
  const id = headers["webhook-id"];
  const sentAt = Number(headers["webhook-timestamp"]);
  if (!Number.isInteger(sentAt) || Math.abs(Date.now() / 1000 - sentAt) > 300) return false;
  const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
  const signed = Buffer.concat([Buffer.from(`${id}.${sentAt}.`), body]);
  const expected = Buffer.from(`v1,${createHmac("sha256", key).update(signed).digest("base64")}`);
  return (headers["webhook-signature"] ?? "").split(" ").some((one) => {
    const given = Buffer.from(one);
    return given.length === expected.length && timingSafeEqual(given, expected);
  });
}

/** Takes callbacks. The same one may come twice: compare `webhook-id`. */
function listen() {
  let end;
  const ended = new Promise((resolve) => (end = resolve));
  const server = createServer(async (request, response) => {
    const pieces = [];
    for await (const piece of request) pieces.push(piece);
    const body = Buffer.concat(pieces);
    if (!isGenuine(request.headers, body)) {
      response.writeHead(401).end();
      return;
    }
    response.writeHead(204).end();
    const payload = JSON.parse(body);
    if (FINAL.has(payload.status)) end(payload);
  });
  return new Promise((resolve) => {
    server.listen(port, "127.0.0.1", () => resolve({ server, ended }));
  });
}

const receiver = secret ? await listen() : null;

const { run_slug: run } = await call("/api/v1/scraper/run", {
  scraper_slug: worker,
  is_async: true,
  callback_url: receiver ? `http://127.0.0.1:${port}/callback` : "",
  input: { parameters: { custom: input } },
});
console.log(`started ${run}`);

let detail;
for (;;) {
  detail = await call("/api/v1/run/detail", { run_slug: run });
  if (FINAL.has(detail.status)) break;
  await sleep(1000);
}
if (detail.status !== SUCCEEDED) {
  throw new Error(`the run ended with status ${detail.status}: ${detail.err_msg}`);
}
console.log(`succeeded after ${detail.duration} s, ${detail.usage} USD`);

const rows = [];
for (let page = 1; ; page++) {
  const { list } = await call("/api/v1/run/result/list", {
    run_slug: run,
    page_index: page,
    page_size: PAGE_SIZE,
  });
  rows.push(...list);
  if (list.length < PAGE_SIZE) break;
}
console.log(`read ${rows.length} rows`);

const { download_url: link } = await call("/api/v1/run/result/export", {
  run_slug: run,
  format: "csv",
});
const download = await axios.get(link, { responseType: "stream", timeout: 60_000 });
await pipeline(download.data, createWriteStream(file));
console.log(`exported ${file}`);

if (receiver) {
  const late = sleep(30_000, null, { ref: false });
  const payload = await Promise.race([receiver.ended, late]);
  if (payload === null) throw new Error("no callback came");
  console.log(`callback says ${payload.run_status}`);
  receiver.server.close();
}
