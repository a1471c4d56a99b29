"""What the test has a mode do, as programs inside it."""

# Inside the mode: a name's addresses and whether they answer, or an address.
PROBE = r'''
import json, socket, sys
out = {}
for target in sys.argv[1:]:
    try:
        out[target] = {"address": sorted({a[4][0] for a in socket.getaddrinfo(target, 8080, socket.AF_INET)})}
        with socket.create_connection((out[target]["address"][0], 8080), 3) as s:
            s.sendall(b"word")
            out[target]["said"] = s.recv(9).decode()
    except socket.gaierror as error:
        out[target] = {"error": error.errno}
    except OSError as error:
        out[target]["said"] = type(error).__name__ + str(error.errno)
print(json.dumps(out))
'''

PLAIN = r'''
import socket, struct, sys
q = struct.pack(">6H", 7, 0x100, 1, 0, 0, 0) + b"\4chat\7example\0\0\1\0\1"
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(3)
try:
    s.connect((sys.argv[1], int(sys.argv[2])))
    s.send(q)
    print(s.recv(512)[:2] == q[:2])
except OSError as error:
    print(error)
'''
TALK = r'''
import socket, struct, sys
q = struct.pack(">6H", 7, 0x100, 1, 0, 0, 0) + b"\4chat\7example\0\0\1\0\1"
try:
    with socket.create_connection((sys.argv[1], int(sys.argv[2])), 5) as s:
        s.sendall(struct.pack(">H", len(q)) + q)
        print(s.recv(512)[2:4] == q[:2])
except OSError as error:
    print(error)
'''
LONG = r'''
import socket, struct, sys
q = struct.pack(">6H", 7, 0x100, 1, 0, 0, 0) + b"\4long\4apps\7example\0\0\x10\0\1"
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(5)
s.connect(("127.0.0.1", 53))
for junk in (b"", b"\0", q[:11], q[:20], b"\xff" * 3000, q[:12] + b"\xc0\x0c\0\1\0\1"):
    s.send(junk)
s.send(q)
while True:
    short = s.recv(5000)
    if short[3] & 15 == 0: break
t = socket.create_connection(("127.0.0.1", 53), 5)
for byte in struct.pack(">H", len(q)) + q:
    t.send(bytes([byte]))
def read(size):
    data = b""
    while len(data) < size: data += t.recv(size - len(data))
    return data
size = struct.unpack(">H", read(2))[0]
whole = read(size)
print(short[2] & 2, len(short) <= 512, whole[7], size > 2000)
'''
