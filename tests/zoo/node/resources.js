/** Memory, disk and descriptors. */
"use strict";

const fs = require("node:fs");
const { spawn } = require("node:child_process");
const coresdk = require("./sdk");

const MIB = 2 ** 20;
const block = Buffer.alloc(MIB, 120);
const push = (row = { n: 1 }) => coresdk.result.pushData(row);
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const forEver = () => new Promise(() => setInterval(() => {}, 60_000));

exports.eats_memory = async () => {
  await push();
  const blocks = [];
  for (;;) blocks.push(Buffer.alloc(16 * MIB, 1));
};

exports.eats_memory_slowly = async () => {
  await push();
  const blocks = [];
  for (;;) {
    blocks.push(Buffer.alloc(8 * MIB, 1));
    await pause(5);
  }
};

exports.eats_its_heap = async () => {
  await push();
  const blocks = [];
  for (;;) blocks.push(new Array(1000).fill().map((_, n) => ({ n: `${n}-${blocks.length}` })));
};

exports.eats_memory_in_a_child = async () => {
  await push();
  const code = "const h = []; for (;;) h.push(Buffer.alloc(16 << 20, 1));";
  for (;;) {
    const child = spawn(process.execPath, ["-e", code], { stdio: "ignore" });
    await new Promise((done) => child.on("close", done));
    await pause(100);
  }
};

function fill(path, limit) {
  let written = 0;
  const file = fs.openSync(path, "w");
  try {
    while (written < limit) written += fs.writeSync(file, block);
  } catch (error) {
    return { error: error.code, mib: Math.floor(written / MIB) };
  } finally {
    fs.closeSync(file);
  }
  return { error: "none", mib: Math.floor(written / MIB) };
}

exports.fills_the_disk = async () => {
  await push();
  for (let n = 0; ; n += 1) {
    fill(`x${n}`, 32 * MIB);
    await pause(1);
  }
};

exports.fills_tmp = async () => fill("/tmp/x", 2 ** 30);
exports.fills_shared_memory = async () => fill("/dev/shm/x", 2 ** 30);

exports.makes_many_files = async () => {
  await push();
  for (let n = 0; ; n += 1) fs.writeFileSync(`f${n}`, "");
};

exports.makes_deep_folders = async () => {
  await push();
  for (;;) {
    fs.mkdirSync("d");
    process.chdir("d");
    await pause(1);
  }
};

exports.fills_a_file_without_a_name = async () => {
  await push();
  const file = fs.openSync("x", "w");
  fs.unlinkSync("x");
  for (let n = 0; n < 70; n += 1) fs.writeSync(file, block);
  await forEver();
};

exports.makes_a_file_that_is_too_large = async () => {
  fs.writeFileSync("large", "");
  process.on("SIGXFSZ", () => {});
  try {
    fs.truncateSync("large", 2 ** 32);
  } catch (error) {
    return { error: error.code };
  }
  return { error: "none" };
};

exports.opens_all_descriptors = async () => {
  const held = [];
  try {
    for (;;) held.push(fs.openSync("/dev/null", "r"));
  } catch (error) {
    held.splice(-8).forEach((number) => fs.closeSync(number));
    return { error: error.code, many: held.length > 900 };
  }
};

exports.replaces_its_own_files = async () => {
  for (const name of fs.readdirSync(".")) fs.rmSync(name, { recursive: true });
  fs.writeFileSync("main.js", "process.exit(9)");
  try { fs.writeFileSync("/bundle/main.js", "process.exit(9)"); } catch { /* it is closed */ }
  return { n: 1 };
};

exports.leaves_links = async () => {
  for (const [n, target] of ["/", "/etc/shadow", "..", "loop"].entries()) {
    fs.symlinkSync(target, `link${n}`);
  }
  fs.symlinkSync("loop", "loop");
  return { n: 1 };
};
