// Loaded into every Node.js Worker before its own code (NODE_OPTIONS=--require). Node's http, https
// and fetch do not use a proxy by default, and the usual variables would break Workers that pass an
// agent of their own, because older axios versions prefer the variables to the agent. So only the
// defaults are replaced: an agent or a dispatcher that the Worker passes is used.
"use strict";

const http = require("node:http");
const https = require("node:https");
const net = require("node:net");
const tls = require("node:tls");

const auth = process.env.PROXY_AUTH;
const domain = process.env.PROXY_DOMAIN;
const MAX_HEAD = 16 * 1024;
const DISPATCHER = Symbol.for("undici.globalDispatcher.1");

function isInside(host) {
  const name = String(host || "localhost").toLowerCase();
  return name === "localhost" || name.endsWith(".localhost") || name === "::1" || /^127\./.test(name);
}

/** Opens a tunnel and calls back with its socket, or with an error that has the proxy's reason. */
function tunnel(host, port, done) {
  const at = domain.lastIndexOf(":");
  const socket = net.connect({ host: domain.slice(0, at), port: Number(domain.slice(at + 1)) });
  const target = `${net.isIPv6(host) ? `[${host}]` : host}:${port}`;
  const token = Buffer.from(auth).toString("base64");
  let heard = Buffer.alloc(0);

  const finish = (error) => {
    socket.removeListener("readable", read);
    socket.removeListener("end", ended);
    socket.removeListener("error", finish);
    if (error) socket.destroy();
    done(error || null, error ? undefined : socket);
  };
  const refused = () => {
    const [head, body = ""] = heard.toString("latin1").split("\r\n\r\n");
    const words = body.trim() || head.split("\r\n")[0] || "it hung up";
    const error = new Error(`the proxy of this sandbox did not reach ${target}: ${words}`);
    error.code = "ECONNREFUSED";
    return error;
  };
  const ended = () => finish(refused());
  const read = () => {
    for (let part; (part = socket.read()) !== null; ) heard = Buffer.concat([heard, part]);
    const end = heard.indexOf("\r\n\r\n");
    if (end < 0) {
      if (heard.length > MAX_HEAD) finish(refused());
    } else if (/^HTTP\/1\.[01] 200 /.test(heard.toString("latin1", 0, 13))) {
      const early = heard.subarray(end + 4);
      finish();
      if (early.length) socket.unshift(early);
    }
  };
  socket.on("readable", read);
  socket.on("end", ended);
  socket.on("error", finish);
  socket.write(`CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\nProxy-Authorization: Basic ${token}\r\n\r\n`);
}

/** An agent class like ``Base`` whose connections go through the tunnel. */
function through(Base) {
  return class extends Base {
    createConnection(options, done) {
      if (options.socketPath || isInside(options.host)) return super.createConnection(options, done);
      tunnel(options.host, options.port, (error, socket) => {
        if (error) return done(error);
        return done(null, Base === https.Agent ? super.createConnection({ ...options, socket }) : socket);
      });
      return undefined;
    }
  };
}

/** What fetch connects with. */
function dial(options, done) {
  const { hostname, protocol } = options;
  const port = Number(options.port) || (protocol === "https:" ? 443 : 80);
  const secure = (error, socket) => {
    if (error || protocol !== "https:") return done(error, socket);
    const servername = options.servername || (net.isIP(hostname) ? "" : hostname);
    const wrapped = tls.connect({ socket, servername, ALPNProtocols: ["http/1.1"] });
    wrapped.once("error", done);
    wrapped.once("secureConnect", () => {
      wrapped.removeListener("error", done);
      done(null, wrapped);
    });
  };
  const host = hostname.replace(/^\[|\]$/g, "");
  if (!isInside(host)) return tunnel(host, port, secure);
  const socket = net.connect({ host, port });
  socket.once("error", done);
  socket.once("connect", () => {
    socket.removeListener("error", done);
    secure(null, socket);
  });
}

/** Whether a dispatcher is the one that fetch makes for itself: an Agent nobody gave a way. */
function isDefault(dispatcher) {
  if (!dispatcher || dispatcher.constructor.name !== "Agent") return false;
  const key = Object.getOwnPropertySymbols(dispatcher).find((one) => one.description === "options");
  return key !== undefined && !dispatcher[key].connect;
}

/** Loading fetch takes a while, so its dispatcher is replaced when it is first asked for. */
function wrapFetch() {
  const original = globalThis.fetch;
  let ready = false;
  globalThis.fetch = function fetch(input, init = undefined) {
    if (!ready) {
      ready = true;
      original("data:,").catch(() => {}); // loads it, and so makes its dispatcher
      const made = globalThis[DISPATCHER];
      if (isDefault(made)) globalThis[DISPATCHER] = new made.constructor({ connect: dial });
    }
    return original(input, init);
  };
}

if (auth && domain) {
  http.globalAgent = new (through(http.Agent))(http.globalAgent.options);
  https.globalAgent = new (through(https.Agent))(https.globalAgent.options);
  if (typeof globalThis.fetch === "function") wrapFetch();
  require("node:module").syncBuiltinESMExports();
}
