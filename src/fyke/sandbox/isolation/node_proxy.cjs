// Loaded into every Node.js Worker before its own code (NODE_OPTIONS=--require). Node's http, https
// and fetch use no proxy by default, and the usual variables would break Workers that pass their own
// agent, because older axios versions prefer the variables to the agent. So only the defaults are
// replaced; an agent or a dispatcher that the Worker passes is used.
//
// It also lets projects of ES modules load the SDK, whose files are CommonJS; see sdkIsCommonJs.
"use strict";

const http = require("node:http");
const https = require("node:https");
const net = require("node:net");
const tls = require("node:tls");

const auth = process.env.PROXY_AUTH;
const domain = process.env.PROXY_DOMAIN;
const MAX_HEAD = 16 * 1024;
const DIRECT = new Set((process.env.NO_PROXY || "").split(","));
const DISPATCHER = Symbol.for("undici.globalDispatcher.1");

function isInside(host) {
  const name = String(host || "localhost").toLowerCase();
  if (DIRECT.has(name)) return true; // also names of the browser
  return name === "localhost" || name.endsWith(".localhost") || name === "::1" || /^127\./.test(name);
}

/** Opens a tunnel; calls done(error) with the proxy's reason, or done(null, socket). */
function tunnel(host, port, done) {
  const at = domain.lastIndexOf(":");
  const socket = net.connect({ host: domain.slice(0, at), port: Number(domain.slice(at + 1)) });
  const target = `${net.isIPv6(host) ? `[${host}]` : host}:${port}`;
  const token = Buffer.from(auth).toString("base64");
  let response = Buffer.alloc(0);

  const finish = (error) => {
    socket.removeListener("readable", read);
    socket.removeListener("end", ended);
    socket.removeListener("error", finish);
    if (error) socket.destroy();
    done(error || null, error ? undefined : socket);
  };
  const refusal = () => {
    const [head, body = ""] = response.toString("latin1").split("\r\n\r\n");
    const detail = body.trim() || head.split("\r\n")[0] || "it closed the connection";
    const error = new Error(`the proxy of this sandbox did not reach ${target}: ${detail}`);
    error.code = "ECONNREFUSED";
    return error;
  };
  const ended = () => finish(refusal());
  const read = () => {
    for (let part; (part = socket.read()) !== null; ) response = Buffer.concat([response, part]);
    const end = response.indexOf("\r\n\r\n");
    if (end < 0) {
      if (response.length > MAX_HEAD) finish(refusal());
    } else if (/^HTTP\/1\.[01] 200 /.test(response.toString("latin1", 0, 13))) {
      const early = response.subarray(end + 4);
      finish();
      if (early.length) socket.unshift(early);
    }
  };
  socket.on("readable", read);
  socket.on("end", ended);
  socket.on("error", finish);
  socket.write(`CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\nProxy-Authorization: Basic ${token}\r\n\r\n`);
}

/** A subclass of an agent class whose connections go through the tunnel. */
function tunnelAgent(Base) {
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

/** The connect function of the dispatcher that fetch uses. */
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

/** Whether it is the dispatcher that fetch creates by default: an Agent without a connect option. */
function isDefault(dispatcher) {
  if (!dispatcher || dispatcher.constructor.name !== "Agent") return false;
  const key = Object.getOwnPropertySymbols(dispatcher).find((one) => one.description === "options");
  return key !== undefined && !dispatcher[key].connect;
}

/** Replaces the dispatcher of fetch on the first call, because loading fetch takes time. */
function wrapFetch() {
  const original = globalThis.fetch;
  let ready = false;
  globalThis.fetch = function fetch(input, init = undefined) {
    if (!ready) {
      ready = true;
      original("data:,").catch(() => {}); // loads fetch, which creates its dispatcher
      const dispatcher = globalThis[DISPATCHER];
      if (isDefault(dispatcher)) {
        globalThis[DISPATCHER] = new dispatcher.constructor({ connect: dial });
      }
    }
    return original(input, init);
  };
}

/**
 * Lets the SDK's files be CommonJS in a project whose package.json says that .js files are ES modules.
 * Both ways to load them are changed: require (by createRequire) and import. Versions of Node.js before
 * 22.15 run hooks for import in a thread, which takes 40 ms, so other projects go without.
 */
function sdkIsCommonJs(folder) {
  const Module = require("node:module");
  const fs = require("node:fs");
  let type;
  try {
    ({ type } = JSON.parse(fs.readFileSync(`${folder}/package.json`, "utf8")));
  } catch {
    return;
  }
  if (type !== "module") return;
  const paths = ["sdk.js", "sdk_pb.js", "sdk_grpc_pb.js"].map((name) => `${folder}/${name}`);
  const urls = paths.map((path) => `file://${path}`);
  const compile = Module._extensions[".js"];
  Module._extensions[".js"] = (module, path) => {
    if (!paths.includes(path)) return compile(module, path);
    return module._compile(fs.readFileSync(path, "utf8"), path);
  };
  const load = (url, context, next) =>
    next(url, urls.includes(url) ? { ...context, format: "commonjs" } : context);
  if (Module.registerHooks) {
    Module.registerHooks({ load });
  } else if (Module.register) {
    const code = `const urls = ${JSON.stringify(urls)}; export const load = ${load};`;
    Module.register(`data:text/javascript,${encodeURIComponent(code)}`);
  }
}

sdkIsCommonJs("/work");
if (auth && domain) {
  http.globalAgent = new (tunnelAgent(http.Agent))(http.globalAgent.options);
  https.globalAgent = new (tunnelAgent(https.Agent))(https.globalAgent.options);
  if (typeof globalThis.fetch === "function") wrapFetch();
  require("node:module").syncBuiltinESMExports();
}
