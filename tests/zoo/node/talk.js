/** Output, the SDK's port, and the network. */
"use strict";

const net = require("node:net");
const crypto = require("node:crypto");
const fs = require("node:fs");
const coresdk = require("./sdk");

const MIB = 2 ** 20;
const push = (row = { n: 1 }) => coresdk.result.pushData(row);
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const forEver = () => new Promise(() => setInterval(() => {}, 60_000));

exports.floods_without_a_line_end = async () => {
  const text = Buffer.alloc(MIB, 120);
  for (let n = 0; n < 40; n += 1) fs.writeSync(1, text);
  return { n: 1 };
};

exports.floods_the_log = async () => {
  const line = `${"x".repeat(1000)}\n`;
  for (let n = 0; n < 20_000; n += 1) fs.writeSync(1, line);
  return { n: 1 };
};

exports.prints_control_bytes = async () => {
  fs.writeSync(1, Buffer.from(Array.from({ length: 256 }, (_, n) => n)));
  fs.writeSync(1, "\x1b]0;title\x07\x1b[2J\u202egnp.exe\r\n");
  return { n: 1 };
};

exports.closes_its_output = async () => {
  fs.closeSync(1);
  fs.closeSync(2);
  return { n: 1 };
};

exports.prints_after_the_signal = async () => {
  process.on("SIGTERM", () => {
    console.log("the last words");
    process.exit(0);
  });
  await push();
  await forEver();
};

exports.pushes_after_the_signal = async () => {
  process.on("SIGTERM", async () => {
    await push({ n: 2 });
    process.exit(0);
  });
  await push();
  await forEver();
};

function talk(port, words) {
  return new Promise((done) => {
    const connection = net.connect(port, "127.0.0.1");
    connection.on("error", () => {});
    connection.on("close", done);
    connection.resume();
    connection.end(words);
  });
}

exports.sends_garbage = async () => {
  const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  const garbage = Buffer.concat([preface, Buffer.alloc(65536, 255)]);
  for (const words of [Buffer.alloc(65536), crypto.randomBytes(65536), garbage]) {
    await talk(20086, words);
    await talk(1080, words);
  }
  return { n: 1 };
};

exports.connects_ten_thousand_times = async () => {
  for (let n = 0; n < 500; n += 1) {
    await Promise.all(Array.from({ length: 20 }, () => talk(20086, "PRI")));
  }
  return { n: 1 };
};

exports.calls_with_too_much = async () => {
  try {
    await coresdk.log.info("x".repeat(70 * MIB));
  } catch {
    return { met: true };
  }
  return { met: false };
};

exports.pushes_a_big_row = async () => {
  await push({ n: 1, text: "x".repeat(5 * MIB) });
  try {
    await push({ n: 2, text: "x".repeat(9 * MIB) });
  } catch (error) {
    return { refused: error.message.includes("MiB") };
  }
  return { refused: false };
};

exports.pushes_nonsense = async () => {
  let refused = 0;
  for (const row of [null, true, 7, "", [], { "": {} }, "{", { a: "\udfff" }]) {
    try {
      await push(row);
    } catch {
      refused += 1;
    }
  }
  await push({ refused });
};

exports.pushes_without_waiting = async () => {
  for (let n = 0; n < 2000; n += 1) push({ n }).catch(() => {});
  await pause(1);
  process.exit(0);
};

exports.knocks_at_the_machine = async () => {
  const met = new Set();
  for (const [host, port] of [["127.0.0.1", 8100], ["169.254.169.254", 80], ["192.0.2.1", 80]]) {
    met.add(await new Promise((done) => {
      const connection = net.connect(port, host, () => done("connected"));
      connection.on("error", (error) => done(error.code));
    }));
  }
  return { met: [...met].sort() };
};
