"""The internet of this test: a namespace with a server of names, in the clear and over TLS, and an echo."""

import json
import pathlib
import subprocess
import sys

from handset import run, until
from handset_uplink import FAR, NS

OTHER, DNS, SILENT = "203.0.113.3", "203.0.113.53", "203.0.113.54"
PLACE = pathlib.Path("/run/64-names")
CERTIFICATE = PLACE / "dns.pem"
TLS_NAME = "dns.example"
AUTHORITIES = pathlib.Path("/etc/ssl/certs")

# name: type: (lifetime, what)
ZONE = {"chat.example": [("A", 5, FAR)], "one.apps.example": [("A", 300, FAR)],
        "two.apps.example": [("CNAME", 300, "one.apps.example"), ("A", 300, FAR)],
        "cloak.apps.example": [("CNAME", 300, "x.ads.apps.example"), ("A", 300, OTHER)],
        "ads.apps.example": [("A", 300, OTHER)], "elsewhere.example": [("A", 300, OTHER)],
        "near.apps.example": [("A", 300, "10.0.2.2")], "self.apps.example": [("A", 300, "127.0.0.1")],
        "long.apps.example": [("TXT", 300, "x" * 200)] * 12}

# The server; prints each name that it is asked for. And an echo.
BEYOND = r'''
import json, socket, ssl, struct, sys, threading
zone = json.loads(sys.argv[1])
def packed(name):
    return b"".join(bytes([len(p)]) + p.encode() for p in name.split(".")) + b"\0"
def answer(query):
    at, labels = 12, []
    while query[at]:
        labels.append(query[at + 1:at + 1 + query[at]].decode().lower())
        at += 1 + query[at]
    name, kind = ".".join(labels), struct.unpack(">H", query[at + 1:at + 3])[0]
    print(name, flush=True)
    records = zone.get(name)
    out, count, owner = b"", 0, name
    for what, lifetime, value in records or []:
        number = {"A": 1, "CNAME": 5, "TXT": 16}[what]
        if number not in (kind, 5):
            continue
        data = (socket.inet_aton(value) if what == "A" else packed(value) if what == "CNAME"
                else bytes([len(value)]) + value.encode())
        out += packed(owner) + struct.pack(">HHIH", number, 1, lifetime, len(data)) + data
        owner = value if what == "CNAME" else owner
        count += 1
    code = 0 if records else 3
    return query[:2] + struct.pack(">5H", 0x8180 | code, 1, count, 0, 0) + query[12:at + 5] + out
def read(s, size):
    data = b""
    while len(data) < size:
        more = s.recv(size - len(data))
        if not more:
            raise EOFError
        data += more
    return data
def talk(s):
    try:
        while True:
            query = read(s, struct.unpack(">H", read(s, 2))[0])
            reply = answer(query)
            s.sendall(struct.pack(">H", len(reply)) + reply)
    except (EOFError, OSError):
        s.close()
def stream():
    server = socket.create_server(("0.0.0.0", 53))
    while True:
        threading.Thread(target=talk, args=(server.accept()[0],), daemon=True).start()
def greet(s, context):
    try:
        talk(context.wrap_socket(s, server_side=True))
    except OSError:
        s.close()
def encrypted():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[3])
    server = socket.create_server((sys.argv[2], 853))
    while True:
        threading.Thread(target=greet, args=(server.accept()[0], context), daemon=True).start()
def silent():
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    datagrams.bind((sys.argv[4], 53))
    server, taken = socket.create_server((sys.argv[4], 853)), []
    while True:
        taken.append(server.accept())
def plain():
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((sys.argv[2], 53))
    while True:
        query, peer = server.recvfrom(2000)
        server.sendto(answer(query), peer)
def echo():
    server = socket.create_server(("0.0.0.0", 8080))
    def back(s):
        while data := s.recv(2000):
            s.sendall(data)
    while True:
        threading.Thread(target=back, args=(server.accept()[0],), daemon=True).start()
for work in (stream, encrypted, silent, plain, echo):
    threading.Thread(target=work, daemon=True).start()
print("ready", flush=True)
threading.Event().wait()
'''


def certify():
    """The server's certificate signs itself, and the phone trusts it."""
    PLACE.mkdir(exist_ok=True)
    done = run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
               "-subj", f"/CN={TLS_NAME}", "-addext", f"subjectAltName=DNS:{TLS_NAME}", "-keyout", str(CERTIFICATE),
               "-out", f"{CERTIFICATE}.crt")
    if done.returncode != 0:
        sys.exit(done.stderr)
    public = pathlib.Path(f"{CERTIFICATE}.crt").read_text()
    with open(CERTIFICATE, "a", encoding="utf-8") as file:
        file.write(public)
    trust()


def trust():
    (AUTHORITIES / "64-names.pem").write_text(pathlib.Path(f"{CERTIFICATE}.crt").read_text())
    run("openssl", "rehash", str(AUTHORITIES))


class Beyond:
    """Who answers in the internet."""

    def __init__(self):
        self.log = PLACE / "asked"
        with open(self.log, "w", encoding="utf-8") as file:
            self.process = subprocess.Popen(
                ["ip", "netns", "exec", NS, "python3", "-c", BEYOND, json.dumps(ZONE), DNS, str(CERTIFICATE), SILENT],
                stdout=file)
        if not until(lambda: "ready" in self.log.read_text(), 20):
            sys.exit("the server of names does not begin")

    def asked(self):
        return self.log.read_text().split("\n")[1:-1]

    def end(self):
        self.process.kill()
        self.process.wait()
