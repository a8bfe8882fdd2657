/** Processes, threads and signals. */
"use strict";

const { execFileSync, spawn } = require("node:child_process");
const { Worker } = require("node:worker_threads");
const coresdk = require("./sdk");

const push = (row = { n: 1 }) => coresdk.result.pushData(row);
const forEver = () => new Promise(() => setInterval(() => {}, 60_000));
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const SPIN = "for (;;) {}";

exports.never_exits = async () => {
  await push();
  await forEver();
};

exports.ignores_sigterm = async () => {
  process.on("SIGTERM", () => {});
  await push();
  await forEver();
};

exports.stops_itself = async () => {
  await push();
  process.kill(process.pid, "SIGSTOP");
  await forEver();
};

exports.blocks_its_loop = async () => {
  process.on("SIGTERM", () => process.exit(0));
  await push();
  for (;;);
};

exports.fork_bomb = async () => {
  await push();
  const again = "for (;;) { try { require('child_process').spawn(process.execPath, ['-e',"
    + " process.env.AGAIN], { stdio: 'ignore' }).on('error', () => {}); } catch {} }";
  for (;;) {
    const child = spawn(process.execPath, ["-e", again], {
      stdio: "ignore", env: { ...process.env, AGAIN: again },
    });
    child.on("error", () => {});
    await pause(1);
  }
};

exports.bombs_with_threads = async () => {
  await push();
  for (;;) {
    try {
      new Worker("setInterval(() => {}, 1e6)", { eval: true }).on("error", () => {});
    } catch { /* there is no more room */ }
    await pause(5);
  }
};

exports.leaves_daemons = async () => {
  for (let n = 0; n < 10; n += 1) {
    spawn("/bin/sh", ["-c", "trap '' TERM HUP; while :; do sleep 60; done"], {
      detached: true, stdio: "ignore",
    }).unref();
  }
  return { n: 1 };
};

exports.children_hold_the_output = async () => {
  for (let n = 0; n < 5; n += 1) {
    spawn("/bin/sh", ["-c", "trap '' TERM HUP; while :; do sleep 60; done"], {
      detached: true, stdio: "inherit",
    }).unref();
  }
  await push();
  process.exit(0);
};

exports.spins_in_children = async () => {
  await push();
  for (let n = 0; n < 4; n += 1) spawn(process.execPath, ["-e", SPIN], { stdio: "ignore" });
  for (;;);
};

exports.exits_at_once = async () => process.exit(0);

exports.exits_with_3 = async () => {
  await push();
  console.error("the site said no");
  process.exit(3);
};

exports.exits_with_255 = async () => {
  await push();
  process.exit(255);
};

exports.exits_with_minus_1 = async () => {
  await push();
  process.exit(-1);
};

exports.exits_as_if_out_of_memory = async () => {
  await push();
  process.exit(137);
};

exports.throws = async () => {
  await push();
  throw new Error("price not found on page 7");
};

exports.throws_later = async () => {
  await push();
  setTimeout(() => { throw new TypeError("in a timer"); }, 1);
  await forEver();
};

exports.rejects_unheard = async () => {
  await push();
  Promise.reject(new RangeError("no handler listens"));
  await forEver();
};

exports.recurses = async () => {
  const again = () => again() + 1;
  await push();
  again();
};

exports.aborts = async () => {
  await push();
  process.abort();
};

exports.kills_itself_hard = async () => {
  await push();
  process.kill(process.pid, "SIGKILL");
  await forEver();
};

exports.segfaults = async () => {
  await push();
  process.kill(process.pid, "SIGSEGV");
  await forEver();
};

exports.kills_all_it_can = async () => {
  await push();
  for (const pid of [1, -1]) {
    try { process.kill(pid, "SIGKILL"); } catch { /* not that one */ }
  }
  process.kill(process.pid, "SIGTERM");
  await forEver();
};

exports.throws_in_a_thread = async () => {
  const thread = new Worker("throw new Error('in a thread')", { eval: true });
  await new Promise((done) => thread.on("error", done));
  return { n: 1 };
};

exports.starts_with_a_huge_environment = async () => {
  try {
    execFileSync("/bin/true", [], { env: { X: "x".repeat(2 ** 22) } });
  } catch (error) {
    return { error: error.code };
  }
  return { error: "none" };
};

exports.requires_what_is_not_there = async () => {
  await push();
  require("left-pad");
};
