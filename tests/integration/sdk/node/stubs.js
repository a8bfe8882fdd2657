// Every method by @grpc/grpc-js, with stubs that are loaded from a proto file, or with the
// definitions of our own SDK: node stubs.js PORT PACKAGE loaded|ours ROWS FOLDER
"use strict";
const path = require("node:path");
const grpc = require("@grpc/grpc-js");
const loader = require("@grpc/proto-loader");

const [port, name, made, rows, folder] = process.argv.slice(2);

function loaded() {
  const options = { keepCase: true, defaults: true, includeDirs: [folder] };
  return grpc.loadPackageDefinition(loader.loadSync("sdk.proto", options))[name];
}

function ours() {
  const pb = require("./sdk_pb.js");
  const services = require("./sdk_grpc_pb.js");
  const under = (service) => Object.fromEntries(Object.entries(service).map(
    ([key, method]) => [key, { ...method, path: method.path.replace("coresdk", name) }]));
  const client = (service) => grpc.makeGenericClientConstructor(under(service), "x");
  const item = (one) => new pb.TableHeaderItem().setLabel(one.label).setKey(one.key)
    .setFormat(one.format);
  const wrapped = (Client, make) => function (address, credentials) {
    const way = new Client(address, credentials);
    return new Proxy({}, { get: (_, key) => (fields, done) => way[key](make(fields), done) });
  };
  return {
    Parameter: wrapped(client(services.ParameterService), () => new services.Empty()),
    Result: wrapped(client(services.ResultService), (fields) => (fields.headers
      ? new pb.TableHeader().setHeadersList(fields.headers.map(item))
      : new pb.Data().setJsonstring(fields.jsonString))),
    Log: wrapped(client(services.LogService), (fields) => new pb.LogBody().setLog(fields.log)),
    Progress: wrapped(client(services.ProgressService), (fields) => new pb.ProgressBody()
      .setDone(fields.done).setTotal(fields.total).setText(fields.text)),
  };
}

async function main() {
  const sdk = made === "ours" ? ours() : loaded();
  const way = (Service) => new Service(`127.0.0.1:${port}`, grpc.credentials.createInsecure());
  const [parameter, result, log, progress] = [sdk.Parameter, sdk.Result, sdk.Log, sdk.Progress].map(way);
  const codes = [];
  const call = (client, method, fields) => new Promise((resolve, reject) => {
    const named = typeof client[method] === "function" ? method : method[0].toUpperCase() + method.slice(1);
    client[named](fields, (error, reply) => {
      if (error) return reject(error);
      codes.push(reply.code);
      return resolve(reply);
    });
  });
  const input = (await call(parameter, "getInputJSONString", {})).jsonString;
  await call(result, "setTableHeader", { headers: [{ label: "L", key: "k", format: "text" }] });
  for (const row of JSON.parse(rows)) await call(result, "pushData", { jsonString: row });
  for (const level of ["Debug", "Info", "Warn", "Error"]) {
    await call(log, level.toLowerCase(), { log: level });
  }
  await call(progress, "set", { done: 2, total: 8, text: "page 2" });
  console.log(JSON.stringify({ input, codes: codes.slice(1) }));
  process.exit(0);
}

main();
