/**
 * The SDK of a Node.js Worker: read the input, push rows, write log lines, report progress.
 *
 *     const coresdk = require("./sdk");
 *
 *     const task = await coresdk.parameter.getInputJSONObject();
 *     await coresdk.result.pushData({ url: task.url });
 *     await coresdk.log.info("done");
 *     await coresdk.progress.set(1, 20, "first page"); // shown by Fyke, ignored by other platforms
 *
 * Every call resolves when the platform has carried it out: a row that was pushed is on its disk.
 * A refusal (a row over 8 MiB, a run that is full) rejects with an SDKError, whose text names the
 * limit. The SDK needs no installed package, and connects with the first call.
 */
"use strict";

const messages = require("./sdk_pb.js");
const services = require("./sdk_grpc_pb.js");

const ADDRESS = "127.0.0.1:20086";
const WINDOW = 2 ** 31 - 1;
const CANCEL = 8;
const UNIMPLEMENTED = 12;

/** The platform did not carry out a call; `code` is the code of its answer. */
class SDKError extends Error {
  /**
   * @param {number} code
   * @param {string} message
   */
  constructor(code, message) {
    super(message || `the platform answered code ${code}`);
    this.name = "SDKError";
    this.code = code;
  }
}

let session = null;
let waiting = 0;

/** The one connection of this process. It keeps the process alive only while a call waits. */
function connection() {
  if (session === null || session.closed || session.destroyed) {
    const made = require("node:http2").connect(`http://${exports.ADDRESS}`, {
      maxSessionMemory: 512,
      settings: { enablePush: false, initialWindowSize: WINDOW },
    });
    const forget = () => {
      if (session === made) session = null;
    };
    made.once("connect", () => made.setLocalWindowSize(WINDOW));
    made.on("error", forget); // each call hears of it by its own stream
    made.once("goaway", forget);
    made.once("close", forget);
    session = made;
  }
  return session;
}

function call(method, request) {
  return new Promise((resolve, reject) => {
    const used = connection();
    const parts = [];
    let headers = {};
    let failure = null;
    const stream = used.request({
      ":method": "POST",
      ":path": method.path,
      "content-type": "application/grpc",
      te: "trailers",
    });
    waiting += 1;
    used.ref();
    stream.on("response", (first) => { headers = first; });
    stream.on("trailers", (last) => { headers = { ...headers, ...last }; });
    stream.on("data", (part) => parts.push(part));
    stream.on("error", (error) => { failure = error; });
    stream.on("close", () => {
      waiting -= 1;
      if (waiting === 0 && !used.destroyed) used.unref();
      try {
        resolve(method.responseDeserialize(reply(Buffer.concat(parts), headers, failure)));
      } catch (error) {
        reject(error);
      }
    });
    const body = method.requestSerialize(request);
    const prefix = Buffer.alloc(5);
    prefix.writeUInt32BE(body.length, 1);
    stream.end(Buffer.concat([prefix, body]));
    stream.on("end", () => {
      // the platform refused before the whole message was sent: do not send the rest
      if (!stream.writableFinished) stream.close(CANCEL);
    });
  });
}

/** The message of a whole reply, or the reason why there is none. */
function reply(body, headers, failure) {
  const status = headers["grpc-status"];
  if (status === "0" && body.length >= 5 && body.length === 5 + body.readUInt32BE(1)) {
    return body.subarray(5);
  }
  if (status !== undefined && status !== "0") {
    throw new SDKError(Number(status), decodeURIComponent(headers["grpc-message"] || ""));
  }
  throw new SDKError(14, `no answer from the platform: ${failure ? failure.message : "cut off"}`);
}

async function carriedOut(method, request) {
  const response = await call(method, request);
  if (response.code !== 0) throw new SDKError(response.code, response.message);
  return response.toObject();
}

async function getInputJSONString() {
  const method = services.ParameterService.getInputJSONString;
  const response = await call(method, new services.Empty());
  if (response.code !== 0) throw new SDKError(response.code, response.jsonString);
  return response.jsonString || "{}";
}

async function pushData(data) {
  const text = JSON.stringify(data);
  if (text === undefined) throw new TypeError(`a ${typeof data} is no row: push an object`);
  return carriedOut(services.ResultService.pushData, new messages.Data().setJsonstring(text));
}

async function upsertData(data, uniqueKey) {
  if (!uniqueKey) throw new Error("uniqueKey is required");
  if (data === null || typeof data !== "object" || !Object.hasOwn(data, uniqueKey)) {
    throw new Error(`uniqueKey [${uniqueKey}] not found in data`);
  }
  return pushData({
    ...data,
    __coreclaw_upsert_key__: uniqueKey,
    __coreclaw_upsert_value__: String(data[uniqueKey]),
  });
}

async function setTableHeader(headers) {
  const text = (value) => (value === undefined || value === null ? "" : String(value));
  const items = headers.map((header) => new messages.TableHeaderItem()
    .setLabel(text(header.label)).setKey(text(header.key)).setFormat(text(header.format)));
  const request = new messages.TableHeader().setHeadersList(items);
  return carriedOut(services.ResultService.setTableHeader, request);
}

function logger(level) {
  return async (line) => {
    const text = typeof line === "string" ? line : require("node:util").inspect(line);
    return carriedOut(services.LogService[level], new messages.LogBody().setLog(text));
  };
}

async function setProgress(done, total, text) {
  const whole = (name, value) => {
    const number = Number(value);
    if (!(number >= 0 && number <= Number.MAX_SAFE_INTEGER)) {
      throw new RangeError(`${name} must be a number from 0 to 2**53 - 1, not ${value}`);
    }
    return Math.trunc(number);
  };
  const request = new messages.ProgressBody().setDone(whole("done", done))
    .setTotal(whole("total", total ?? 0)).setText(String(text ?? ""));
  try {
    return await carriedOut(services.ProgressService.set, request);
  } catch (error) {
    if (error.code !== UNIMPLEMENTED) throw error;
    return { code: 0, message: "this platform shows no progress" };
  }
}

exports.ADDRESS = ADDRESS;
exports.SDKError = SDKError;

/** The input of this task. */
exports.parameter = {
  getInputJSONString,
  getInputJSONObject: async () => JSON.parse(await getInputJSONString()),
};

/** Columns and rows of this task. */
exports.result = { setTableHeader, pushData, upsertData };

/** How far this task is. A call of Fyke: other platforms do not have it. */
exports.progress = { set: setProgress };

/** Lines for the log of the run. */
exports.log = {
  debug: logger("debug"),
  info: logger("info"),
  warn: logger("warn"),
  error: logger("error"),
};
