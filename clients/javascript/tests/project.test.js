import assert from "node:assert/strict";
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { inflateRawSync } from "node:zlib";

import { packFolder } from "@fyke/client";
import { crc32, zip } from "../src/zip.js";
import { serve } from "./server.js";

async function projectOf(t, files) {
  const folder = await mkdtemp(join(tmpdir(), "fyke-client-"));
  t.after(() => rm(folder, { recursive: true }));
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), text);
  }
  return folder;
}

/** Names with text and mode, read from the directory of the archive. */
function entriesOf(archive) {
  const data = Buffer.from(archive);
  const end = data.length - 22;
  assert.equal(data.readUInt32LE(end), 0x06054b50);
  const entries = {};
  let at = data.readUInt32LE(end + 16);
  for (let left = data.readUInt16LE(end + 10); left > 0; left--) {
    assert.equal(data.readUInt32LE(at), 0x02014b50);
    const length = data.readUInt16LE(at + 28);
    const name = data.toString("utf8", at + 46, at + 46 + length);
    const local = data.readUInt32LE(at + 42);
    const start = local + 30 + data.readUInt16LE(local + 26);
    const text = inflateRawSync(data.subarray(start, start + data.readUInt32LE(at + 20)));
    assert.equal(crc32(text), data.readUInt32LE(at + 16));
    entries[name] = [text.toString(), (data.readUInt32LE(at + 38) >>> 16).toString(8)];
    at += 46 + length;
  }
  return entries;
}

test("a folder is packed without caches, logs and build products", async (t) => {
  const left = ["node_modules/a/x.js", ".git/HEAD", "dist/a.js", "a.pyc", "b/__pycache__/c", "d.LOG"];
  const kept = { "main.py": "print()", "é/dist/z.txt": "z", empty: "" };
  const folder = await projectOf(t, { ...kept, ...Object.fromEntries(left.map((f) => [f, "x"])) });
  await chmod(join(folder, "empty"), 0o755);
  const archive = await packFolder(folder);
  assert.deepEqual(entriesOf(archive), {
    empty: ["", "100755"],
    "main.py": ["print()", "100644"],
    "é/dist/z.txt": ["z", "100644"],
  });
  assert.deepEqual(await packFolder(pathToFileURL(folder)), archive);
});

test("links and empty projects are refused", async (t) => {
  const folder = await projectOf(t, {});
  await assert.rejects(packFolder(folder), /no file/);
  await symlink("/etc/passwd", join(folder, "main.py"));
  await assert.rejects(packFolder(folder), /symbolic link/);
  await assert.rejects(packFolder(join(folder, "none")), { code: "ENOENT" });
});

test("the checksum is that of ZIP", () => {
  assert.equal(crc32(Buffer.from("123456789")), 0xcbf43926);
});

test("a project is published from a folder, a file and bytes", async (t) => {
  const published = { slug: "S", path: "owner~hello", version: "v1.0.1", findings: [] };
  const { fyke, received } = await serve(t, published);
  const folder = await projectOf(t, { "main.py": "print()" });
  const archive = await packFolder(folder);
  const file = join(await projectOf(t, {}), "hello.zip");
  await writeFile(file, archive);
  for (const project of [folder, file, archive, new Blob([archive])]) {
    const texts = { name: "owner/hello", title: "Hello" };
    const options = { ...texts, public: false, categories: [1, 2], promote: false };
    const found = await fyke.pushWorker(project, options);
    assert.deepEqual(found, { ...published, path: "owner/hello" });
  }
  for (const { path, body, headers } of received) {
    assert.equal(path, "/api/v2/workers/owner~hello/versions");
    const form = await new Response(body, { headers }).formData();
    assert.deepEqual(form.getAll("categories"), ["1", "2"]);
    assert.deepEqual(["title", "public", "promote"].map((name) => form.get(name)), ["Hello", "false", "false"]);
    assert.equal(form.has("description"), false);
    assert.deepEqual(new Uint8Array(await form.get("scraper_file").arrayBuffer()), new Uint8Array(archive));
  }
});

test("a name alone is one in the own account", async (t) => {
  const { fyke, received } = await serve(t, { name: "owner" }, { path: "owner~hello" });
  const archive = zip([{ name: "main.py", data: Buffer.from(""), executable: false }]);
  await fyke.pushWorker(archive, { name: "hello" });
  await fyke.pushWorker(archive, { name: "01KSFDS8XWTJME33C08XMCR6B9" });
  assert.deepEqual(received.map(({ path }) => path), [
    "/api/fyke/account",
    "/api/v2/workers/owner~hello/versions",
    "/api/v2/workers/01KSFDS8XWTJME33C08XMCR6B9/versions",
  ]);
});
