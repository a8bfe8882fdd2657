import assert from "node:assert/strict";
import { mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { RUN, answer, failure, lost, serve } from "./server.js";

async function folderOf(t) {
  const folder = await mkdtemp(join(tmpdir(), "fyke-client-"));
  t.after(() => rm(folder, { recursive: true }));
  return folder;
}

const file = (text) => (response) => response.end(text);

/** Sends less than it announced. */
const cut = (response) => {
  response.writeHead(200, { "content-length": "100" });
  response.write("half", () => response.destroy());
};

/** A server for the file, and one that links to it. */
async function linked(t, ...answers) {
  const files = await serve(t, ...answers);
  const server = await serve(t, (response) =>
    answer({ download_url: `${files.url}/files/T/rows.csv` })(response),
  );
  return { ...server, files };
}

test("rows are exported to a file in the format of its name", async (t) => {
  const folder = await folderOf(t);
  const { fyke, received, files } = await linked(t, file("n\r\n1\r\n"));
  const path = join(folder, "rows.CSV");
  await writeFile(path, "old");
  const options = { fields: ["n"], keys: ["n", "m"], safe: true, bom: false };
  assert.equal(await fyke.exportTo(RUN, path, options), path);
  assert.equal(await readFile(path, "utf8"), "n\r\n1\r\n");
  assert.deepEqual(await readdir(folder), ["rows.CSV"]);
  assert.equal(received[0].path, `/api/v2/worker-runs/${RUN}/result/export`);
  const query = "fields=n&format=csv&filter_keys=n&filter_keys=m&safe=true&bom=false";
  assert.equal(received[0].query.toString(), query);
  assert.equal(files.received[0].headers.authorization, undefined);
});

test("a file of many parts is written in their order", async (t) => {
  const folder = await folderOf(t);
  const parts = ["a", "b", "c"].map((letter) => letter.repeat(100_000));
  const { fyke } = await linked(t, async (response) => {
    for (const part of parts) await new Promise((sent) => response.write(part, sent));
    response.end();
  });
  assert.equal(await fyke.exportTo(RUN, join(folder, "a.json")), join(folder, "a.json"));
  assert.equal(await readFile(join(folder, "a.json"), "utf8"), parts.join(""));
});

test("a download that breaks starts again from its beginning", async (t) => {
  const folder = await folderOf(t);
  const { fyke, files } = await linked(t, cut, lost, file("whole"));
  assert.equal(await fyke.exportTo(RUN, join(folder, "a.jsonl")), join(folder, "a.jsonl"));
  assert.equal(await readFile(join(folder, "a.jsonl"), "utf8"), "whole");
  assert.equal(files.received.length, 3);
});

test("a download that fails leaves the older file", async (t) => {
  const folder = await folderOf(t);
  const path = join(folder, "rows.csv");
  await writeFile(path, "old");
  const expired = await linked(t, failure(404, 4040, "Resource not found"));
  await assert.rejects(expired.fyke.exportTo(RUN, path), { code: 4040 });
  const broken = await linked(t, cut);
  await assert.rejects(broken.fyke.exportTo(RUN, path), { name: "Unreachable" });
  assert.equal(await readFile(path, "utf8"), "old");
  assert.deepEqual(await readdir(folder), ["rows.csv"]);
});

test("a folder that does not exist is an error of the system", async (t) => {
  const folder = await folderOf(t);
  const { fyke } = await linked(t, file("whole"));
  await assert.rejects(fyke.exportTo(RUN, join(folder, "no", "a.csv")), { code: "ENOENT" });
});

test("a name without a format needs one", async (t) => {
  const folder = await folderOf(t);
  const { fyke, received } = await linked(t, file("[]"));
  await assert.rejects(fyke.exportTo(RUN, join(folder, "rows.pdf")), TypeError);
  assert.equal(received.length, 0);
  assert.equal(await fyke.exportTo(RUN, join(folder, "rows"), { format: "json" }), join(folder, "rows"));
});

test("the archive that explains a run is written to a file", async (t) => {
  const folder = await folderOf(t);
  const { fyke, received } = await serve(t, cut, file("PK archive"));
  const path = join(folder, "a.zip");
  assert.equal(await fyke.diagnose(RUN, path, { picture: false }), path);
  assert.equal(await readFile(path, "utf8"), "PK archive");
  assert.deepEqual(await readdir(folder), ["a.zip"]);
  assert.equal(received[1].path, `/api/fyke/runs/${RUN}/diagnosis`);
  assert.equal(received[1].query.toString(), "picture=false");
  assert.match(received[1].headers.authorization, /^Bearer /);
});
