"""The commands of CTAP 2.0 that a volume's key needs: getInfo, makeCredential, getAssertion with
hmac-secret, and clientPIN by its first protocol. Keeps its secrets in a file: never a real one."""

import hashlib
import hmac
import json
import os

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

import cbor

RETRIES, IN_A_ROW = 8, 3
CURVE = ec.SECP256R1()
AAGUID = b"pmos-test-auth-1"
FLAG_UP, FLAG_UV, FLAG_CREDENTIAL, FLAG_EXTENSIONS = 1, 4, 0x40, 0x80


class Refused(Exception):
    """With CTAP2's status."""


(INVALID_COMMAND, MISSING_PARAMETER, NO_CREDENTIALS, PIN_INVALID, PIN_BLOCKED, PIN_AUTH_INVALID,
 PIN_AUTH_BLOCKED, PIN_NOT_SET, PIN_REQUIRED) = (0x01, 0x14, 0x2E, 0x31, 0x32, 0x33, 0x34, 0x35, 0x36)


def sha256(data):
    return hashlib.sha256(data).digest()


def mac(key, data):
    return hmac.new(key, data, hashlib.sha256).digest()


def aes(key):
    return Cipher(algorithms.AES(key), modes.CBC(bytes(16)))


def encrypt(key, data):
    return aes(key).encryptor().update(data)


def decrypt(key, data):
    return aes(key).decryptor().update(data)


def cose(public, algorithm):
    numbers = public.public_numbers()
    return {1: 2, 3: algorithm, -1: 1, -2: numbers.x.to_bytes(32, "big"),
            -3: numbers.y.to_bytes(32, "big")}


class Store:
    """What outlives a power cycle. The PIN is given to it, the rest is its own."""

    def __init__(self, directory):
        self.path = directory / "store.json"
        self.pin = (directory / "pin").read_text() if (directory / "pin").exists() else ""
        self.retries, self.credentials = RETRIES, {}
        if self.path.exists():
            kept = json.loads(self.path.read_text())
            self.retries, self.credentials = kept["retries"], kept["credentials"]

    def keep(self):
        self.path.write_text(json.dumps({"retries": self.retries, "credentials": self.credentials}))

    def add(self, rp):
        name = os.urandom(48)
        self.credentials[name.hex()] = {
            "rp": rp, "key": os.urandom(31).hex(),
            "with_uv": os.urandom(32).hex(), "without_uv": os.urandom(32).hex()}
        self.keep()
        return name


class Authenticator:
    def __init__(self, directory, touch, log):
        """touch() waits for a person, and raises Refused; log(words) tells who tests."""
        self.store, self.touch, self.log = Store(directory), touch, log
        self.silent = (directory / "silent").exists()
        self.wrong_in_a_row = 0  # since it has power
        self.agreement = ec.generate_private_key(CURVE)
        self.token = os.urandom(32)

    def answer(self, command, data):
        """Of CTAPHID_CBOR: status and what follows it."""
        commands = {1: self.make_credential, 2: self.get_assertion, 4: self.get_info, 6: self.client_pin}
        try:
            if command not in commands:
                raise Refused(INVALID_COMMAND)
            return b"\0" + cbor.encode(commands[command](cbor.decode(data) if data else {}))
        except Refused as refused:
            return bytes([refused.args[0]])
        except (KeyError, ValueError, IndexError):
            return bytes([MISSING_PARAMETER])

    def get_info(self, _):
        return {1: ["FIDO_2_0"], 2: ["hmac-secret"], 3: AAGUID,
                4: {"rk": False, "up": True, "clientPin": bool(self.store.pin)}, 5: 1200, 6: [1]}

    def shared(self, key):
        """With the platform, by the key that it sent."""
        numbers = ec.EllipticCurvePublicNumbers(int.from_bytes(key[-2], "big"),
                                                int.from_bytes(key[-3], "big"), CURVE)
        return sha256(self.agreement.exchange(ec.ECDH(), numbers.public_key()))

    def client_pin(self, said):
        if said[2] == 1:
            return {3: self.store.retries}
        if said[2] == 2:
            return {1: cose(self.agreement.public_key(), -25)}
        if said[2] == 5:
            return {2: encrypt(self.check_pin(said), self.token)}
        raise Refused(INVALID_COMMAND)

    def check_pin(self, said):
        store = self.store
        if not store.pin:
            raise Refused(PIN_NOT_SET)
        if store.retries == 0:
            raise Refused(PIN_BLOCKED)
        if self.wrong_in_a_row >= IN_A_ROW:
            self.log("PIN not looked at")
            raise Refused(PIN_AUTH_BLOCKED)
        shared = self.shared(said[3])
        # Counted first, as everybody should.
        store.retries -= 1
        store.keep()
        if hmac.compare_digest(decrypt(shared, said[6]), sha256(store.pin.encode())[:16]):
            store.retries, self.wrong_in_a_row = RETRIES, 0
            store.keep()
            self.log("right PIN")
            return shared
        self.log("wrong PIN")
        self.wrong_in_a_row += 1
        self.agreement = ec.generate_private_key(CURVE)
        if store.retries == 0:
            raise Refused(PIN_BLOCKED)
        raise Refused(PIN_AUTH_BLOCKED if self.wrong_in_a_row >= IN_A_ROW else PIN_INVALID)

    def verified(self, said, auth, protocol):
        """Whether the PIN stands behind the request."""
        if auth not in said:
            return False
        if said[protocol] != 1 or not hmac.compare_digest(mac(self.token, said[1 if auth == 8 else 2])[:16],
                                                          said[auth]):
            raise Refused(PIN_AUTH_INVALID)
        return True

    def make_credential(self, said):
        if self.store.pin and not self.verified(said, 8, 9):
            raise Refused(PIN_REQUIRED)
        self.log("makeCredential")
        self.touch()
        rp = said[2]["id"]
        name = self.store.add(rp)
        key = self.private(name)
        flags = FLAG_UP | FLAG_CREDENTIAL | (FLAG_UV if self.store.pin else 0)
        data = AAGUID + len(name).to_bytes(2, "big") + name + cbor.encode(cose(key.public_key(), -7))
        if said.get(6, {}).get("hmac-secret"):
            flags |= FLAG_EXTENSIONS
            data += cbor.encode({"hmac-secret": True})
        data = sha256(rp.encode()) + bytes([flags]) + bytes(4) + data
        return {1: "packed", 2: data, 3: {"alg": -7, "sig": self.sign(key, data + said[1])}}

    def get_assertion(self, said):
        verified = self.verified(said, 6, 7)
        if self.silent and not verified:
            raise Refused(PIN_REQUIRED)
        name = self.known(said[1], said.get(3, []))
        wants_touch = said.get(5, {}).get("up", True)
        self.log("getAssertion" if wants_touch else "asked without touch")
        flags, extensions = FLAG_UV if verified else 0, b""
        if wants_touch:
            self.touch()
            flags |= FLAG_UP
        if "hmac-secret" in said.get(4, {}):
            flags |= FLAG_EXTENSIONS
            extensions = cbor.encode({"hmac-secret": self.secret(name, said[4]["hmac-secret"], verified)})
        data = sha256(said[1].encode()) + bytes([flags]) + bytes(4) + extensions
        return {1: {"id": name, "type": "public-key"}, 2: data,
                3: self.sign(self.private(name), data + said[2])}

    def known(self, rp, allowed):
        for one in allowed:
            found = self.store.credentials.get(one["id"].hex())
            if found and found["rp"] == rp:
                return one["id"]
        raise Refused(NO_CREDENTIALS)

    def secret(self, name, asked, verified):
        """Another one with the PIN than without."""
        shared = self.shared(asked[1])
        if not hmac.compare_digest(mac(shared, asked[2])[:16], asked[3]):
            raise Refused(PIN_AUTH_INVALID)
        salt = decrypt(shared, asked[2])
        kept = self.store.credentials[name.hex()]
        key = bytes.fromhex(kept["with_uv" if verified else "without_uv"])
        return encrypt(shared, b"".join(mac(key, salt[i:i + 32]) for i in range(0, len(salt), 32)))

    def private(self, name):
        return ec.derive_private_key(int(self.store.credentials[name.hex()]["key"], 16), CURVE)

    @staticmethod
    def sign(key, data):
        return key.sign(data, ec.ECDSA(hashes.SHA256()))
