// One scenario of the Node.js client per call: node client.js PORT SCENARIO
"use strict";
const grpc = require("@grpc/grpc-js");
const { BinaryReader, BinaryWriter } = require("google-protobuf");

const [port, scenario] = process.argv.slice(2);
const client = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure(), {
  "grpc.max_receive_message_length": -1,
  "grpc.max_send_message_length": -1,
});

function writeText(text) {
  const writer = new BinaryWriter();
  writer.writeString(1, text);
  return Buffer.from(writer.getResultBuffer());
}

function readReply(bytes) {
  const reader = new BinaryReader(bytes);
  const reply = { code: 0, text: "" };
  while (reader.nextField()) {
    if (reader.getFieldNumber() === 1) reply.code = reader.readInt32();
    else if (reader.getFieldNumber() === 2) reply.text = reader.readString();
    else reader.skipField();
  }
  return reply;
}

function call(path, text) {
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(path, (x) => x, readReply, writeText(text), (error, reply) =>
      error ? reject(error) : resolve(reply));
  });
}

const scenarios = {
  async every() {
    const input = await call("/coresdk.Parameter/GetInputJSONString", "");
    const push = await call("/coresdk.Result/PushData", '{"a": "\u00e9\ud83d\ude00"}');
    const log = await call("/coresdk.Log/Warn", "careful");
    return { input: input.text.length, push, log };
  },
  async thousand() {
    const rows = Array.from({ length: 1000 }, (_, i) => call("/coresdk.Result/PushData", `${i}`));
    return { codes: [...new Set((await Promise.all(rows)).map((r) => r.code))], rows: rows.length };
  },
  async large() {
    return call("/coresdk.Result/PushData", JSON.stringify({ html: "x".repeat(6000000) }));
  },
  async unknown() {
    return call("/coresdk.Result/Nothing", "").then(() => "answered", (error) => error.code);
  },
};

scenarios[scenario]().then(
  (outcome) => { console.log(JSON.stringify(outcome)); client.close(); },
  (error) => { console.error(error); process.exit(1); });
