/**
 * Tries to get out, from Node.js and without native modules. Prints, as JSON, what each try met.
 *
 * Every probe names the errors that count as a refusal, as probe.py does.
 */
"use strict";

const childProcess = require("node:child_process");
const dgram = require("node:dgram");
const dns = require("node:dns");
const fs = require("node:fs");
const http = require("node:http");
const net = require("node:net");
const os = require("node:os");

const targets = JSON.parse(process.env.PROBE_TARGETS || "{}");
const inherited = fs.readdirSync("/proc/self/fd").map((name) => {
  try {
    return [name, fs.readlinkSync(`/proc/self/fd/${name}`)];
  } catch {
    return [name, ""];
  }
});
const probes = [];
const add = (name, run, ...refusals) => probes.push([name, run, refusals]);

class Refused extends Error {}
const refuse = () => { throw Object.assign(new Refused("refused"), { code: "Refused" }); };

function connect(where) {
  return new Promise((done, fail) => {
    const connection = net.connect({ timeout: 3000, ...where }, () => done("connected"));
    connection.on("error", fail);
    connection.on("timeout", () => fail(Object.assign(new Error("timeout"), { code: "TIMEOUT" })));
  });
}

function send(host, port, kind = "udp4") {
  return new Promise((done, fail) => {
    const socket = dgram.createSocket(kind);
    socket.on("error", fail);
    socket.send("x", port, host, (error) => {
      socket.close();
      if (error) fail(error);
      else done("sent");
    });
  });
}

function look(path) {
  return fs.statSync(path).isDirectory() ? fs.readdirSync(path) : fs.readFileSync(path, "latin1");
}

/** A program that must fail; what counts is that its own work is not done. */
function program(words, done) {
  const ended = childProcess.spawnSync(words[0], words.slice(1), { timeout: 10_000 });
  if (ended.error) throw ended.error;
  if (done ? done(ended) : ended.status === 0) return `${ended.stdout}`.slice(0, 80);
  return refuse();
}

// --- network

const GONE = ["ECONNREFUSED", "ENETUNREACH"];
add("loopback service of the machine", () => connect({ host: "127.0.0.1", port: targets.port }), ...GONE);
add("the same over IPv6", () => connect({ host: "::1", port: targets.port }), ...GONE);
add("the same, mapped", () => connect({ host: "::ffff:127.0.0.1", port: targets.port }), ...GONE);
for (const host of targets.addresses || []) {
  add(`address ${host}`, () => connect({ host, port: targets.port }), ...GONE);
}
for (const host of ["169.254.169.254", "192.0.2.1", "10.0.0.1", "172.17.0.1", "2001:db8::1"]) {
  add(`connect to ${host}`, () => connect({ host, port: 80 }), ...GONE);
}
add("name server by UDP", () => send("192.0.2.53", 53), ...GONE);
add("multicast", () => send("224.0.0.251", 5353), ...GONE);
add("IPv6 by UDP", () => send("2001:db8::1", 53, "udp6"), ...GONE);
add("IPv6 multicast", () => send("ff02::1", 5353, "udp6"), ...GONE, "EADDRNOTAVAIL");
add("name look-up", () => dns.promises.lookup("example.com"), "ENOTFOUND", "EAI_AGAIN");
add("name look-up by resolver", () => dns.promises.resolve4("example.com"), "ECONNREFUSED", "ENOTFOUND", "ESERVFAIL");
add("fetch of metadata", async () => (await fetch("http://169.254.169.254/")).status, "TypeError");
add("abstract socket of the machine", () => connect({ path: `\0${targets.abstract}` }), "ECONNREFUSED");
for (const path of targets.sockets || []) add(`socket ${path}`, () => connect({ path }), "ENOENT");
add("other network interfaces", () => {
  const found = Object.keys(os.networkInterfaces()).filter((name) => name !== "lo");
  return found.length ? found : refuse();
}, "Refused");
add("http through the machine's socket", () => new Promise((done, fail) => {
  http.get({ socketPath: (targets.sockets || ["/run/docker.sock"])[0] }, done).on("error", fail);
}), "ENOENT");

// --- processes

add("see processes of the machine", () => {
  const found = fs.readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return found.every((name) => name === "1" || name === `${process.pid}`) ? refuse() : found;
}, "Refused");
add("signal a process of the machine", () => process.kill(targets.pid, 0), "ESRCH");
for (const path of ["environ", "cmdline", "maps", "mem", "cwd", "root", "fd", "mountinfo", "ns/net"]) {
  add(`process 1: ${path}`, () => look(`/proc/1/${path}`), "ENOENT");
}
add("kill process 1", () => {
  process.kill(1, "SIGKILL");
  process.kill(1, "SIGTERM");
  process.kill(1, 0);
  refuse();
}, "Refused");
add("descriptors that we inherited", () => {
  const own = /^(anon_inode|pipe|\/proc\/|$)/; // of its own loop; the last listed them
  const found = inherited.filter(([number, to]) => Number(number) > 2 && !own.test(to));
  const input = inherited.find(([number]) => number === "0");
  return found.length || input[1] !== "/dev/null" ? found : refuse();
}, "Refused");
add("words of the platform in our environment", () => {
  const own = /^(PATH|HOME|LANG|LC_CTYPE|TMPDIR|PYTHONUNBUFFERED|NODE_\w+|PROBE_\w+|PROXY_\w+|Chrome\w+|BROWSER_WS|\w+_(proxy|PROXY))$/;
  const found = Object.keys(process.env).filter((name) => !own.test(name));
  return found.length ? found : refuse();
}, "Refused");
add("debug process 1", () => {
  process._debugProcess(1);
  process.kill(1, 0);
  refuse();
}, "Refused", "EPERM");
add("a report that writes where it may not", () => {
  const said = process.report.writeReport("/etc/report.json");
  return fs.existsSync("/etc/report.json") ? said : refuse();
}, "Refused", "ERR_INTERNAL_ASSERTION");

// --- users and namespaces

const NOT_US = ["EPERM", "EINVAL", "ERR_UNKNOWN_CREDENTIAL"];
add("become user 0", () => process.setuid(0) || "done", ...NOT_US, "ERR_INVALID_STATE");
add("become user 0 for a while", () => process.seteuid(0) || "done", ...NOT_US, "ERR_INVALID_STATE");
add("become group 0", () => process.setgid(0) || "done", ...NOT_US, "ERR_INVALID_STATE");
add("join groups", () => process.setgroups([0]) || "done", ...NOT_US, "ERR_INVALID_STATE");
add("a child as user 0", () => program(["/usr/bin/id"], () => false) && childProcess.spawnSync("/usr/bin/id", { uid: 0 }), "Refused", ...NOT_US);
add("a higher priority", () => os.setPriority(0, -20) || "done", "EACCES", "EPERM", "ERR_SYSTEM_ERROR");
const PROGRAMS = {
  "mount a file system": ["/usr/bin/mount", "-t", "tmpfs", "none", "/tmp"],
  "mount a bind": ["/usr/bin/mount", "--bind", "/work", "/usr"],
  "remount /usr writable": ["/usr/bin/mount", "-o", "remount,rw", "/usr"],
  "mount proc anew": ["/usr/bin/mount", "-t", "proc", "proc", "/tmp"],
  "unmount /usr": ["/usr/bin/umount", "-l", "/usr"],
  "a new user namespace": ["/usr/bin/unshare", "--user", "--map-root-user", "true"],
  "a new mount namespace": ["/usr/bin/unshare", "--mount", "true"],
  "a new network namespace": ["/usr/bin/unshare", "--net", "true"],
  "a new process namespace": ["/usr/bin/unshare", "--pid", "--fork", "true"],
  "enter the namespaces of process 1": ["/usr/bin/nsenter", "--target", "1", "--all", "true"],
  "chroot": ["/usr/sbin/chroot", "/", "true"],
  "become root by su": ["/usr/bin/su", "-c", "true"],
  "another personality": ["/usr/bin/setarch", "-R", "true"],
  "keys of the kernel": ["/usr/bin/keyctl", "show"],
  "the host name": ["/usr/bin/hostname", "evil"],
  "the clock": ["/usr/bin/date", "-s", "2001-01-01"],
  "the kernel's log": ["/usr/bin/dmesg"],
  "a sandbox in the sandbox": ["/usr/bin/bwrap", "--ro-bind", "/", "/", "true"],
  "a block device": ["/usr/bin/mknod", "/tmp/disk", "b", "254", "0"],
  "a device of memory": ["/usr/bin/mknod", "/tmp/memory", "c", "1", "1"],
  "an interface": ["/usr/sbin/ip", "link", "add", "dummy0", "type", "dummy"],
  "an address": ["/usr/sbin/ip", "address", "add", "10.0.0.1/24", "dev", "lo"],
  "a package filter": ["/usr/sbin/iptables", "-L"],
  "a module": ["/usr/sbin/modprobe", "dummy"],
  "system settings": ["/usr/sbin/sysctl", "-w", "kernel.core_pattern=|/bin/sh"],
  "a packet socket": ["/usr/bin/python3", "-c", "import socket; socket.socket(17, 3, 768)"],
  "a socket to the hypervisor": ["/usr/bin/python3", "-c", "import socket; socket.socket(40, 1)"],
  "tracing by another program": ["/usr/bin/strace", "-p", "1"],
};
for (const [name, words] of Object.entries(PROGRAMS)) {
  add(name, () => program(words), "Refused", "ENOENT", "EACCES");
}
add("a set-id copy of our own", () => {
  fs.copyFileSync("/usr/bin/id", "/work/id");
  fs.chmodSync("/work/id", 0o6755);
  return program(["/work/id"], ({ stdout }) => /e?uid=0/.test(stdout));
}, "Refused");

// --- files

const HIDDEN = ["ENOENT", "EACCES"];
for (const path of ["/etc/shadow", "/root", "/home", "/var/lib", "/sys/kernel", "/boot", "/opt", "/srv", "/mnt"]) {
  add(`read ${path}`, () => look(path), ...HIDDEN);
}
for (const path of targets.paths || []) {
  add(`read ${path}`, () => look(path), ...HIDDEN);
  add(`read by steps back ${path}`, () => look(`/work${"/..".repeat(20)}${path}`), ...HIDDEN);
  add(`read through a link ${path}`, () => {
    const link = `/tmp/link-${Math.random()}`;
    fs.symlinkSync(path, link);
    return look(link);
  }, ...HIDDEN);
}
const CLOSED = ["EROFS", "EACCES", "EPERM", "ENOENT"];
for (const path of [
  "/usr/x", "/etc/x", "/etc/passwd", "/etc/hosts", "/x", "/run/x", "/run/fyke/shim.py", "/bundle/x",
  "/bundle/main.js", "/node_modules/x", "/dev/x", "/usr/bin/node", "/proc/sys/kernel/core_pattern",
  "/proc/sys/kernel/modprobe", "/proc/sys/vm/drop_caches", "/proc/sysrq-trigger",
  "/proc/1/oom_score_adj", "/proc/self/uid_map", "/proc/sys/net/ipv4/ip_forward",
  "/proc/sys/user/max_user_namespaces", "/proc/sys/kernel/ns_last_pid",
]) {
  add(`write ${path}`, () => fs.writeFileSync(path, "x") || "written", ...CLOSED);
}
for (const name of ["mem", "kmsg", "kvm", "fuse", "net/tun", "vda", "sda", "loop0", "vsock", "port"]) {
  add(`open /dev/${name}`, () => fs.openSync(`/dev/${name}`), "ENOENT");
}
add("rename what is ours over what is not", () => {
  fs.writeFileSync("/work/passwd", "x");
  return fs.renameSync("/work/passwd", "/etc/passwd") || "done";
}, "EROFS", "EXDEV", "EBUSY", "EACCES");
add("a hard link to what is not ours", () => fs.linkSync("/usr/bin/node", "/work/node") || "done", "EXDEV", "EROFS", "EPERM");

async function outcome(run) {
  try {
    return `!! ${JSON.stringify(await run())}`.slice(0, 200);
  } catch (error) {
    if (error.code === undefined && error.cause) return error.name;
    return error.code || error.name;
  }
}

(async () => {
  const results = [];
  for (const [name, run, refusals] of probes) results.push([name, await outcome(run), refusals]);
  fs.writeSync(1, JSON.stringify(results));
  process.exit(0);
})();
