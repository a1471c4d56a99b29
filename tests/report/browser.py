"""A headless Chromium, driven over a pipe by the DevTools protocol. Knows nothing of what it shows."""
import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time

LIMIT = 60  # seconds for one answer, on a machine that has other things to do


class Broken(Exception):
    """What the browser said went wrong."""


def find():
    return shutil.which("chromium") or shutil.which("chromium-browser")


class Browser:
    """One process, one tab. What it asks the network for and what it complains of is kept."""

    def __init__(self, program):
        self.home = tempfile.mkdtemp(prefix="pmos-chromium-")
        to_read, self.to_browser = os.pipe()
        self.from_browser, to_write = os.pipe()
        log = open(os.path.join(self.home, "log"), "wb")
        # It reads from descriptor 3 and writes to 4; that root may not use its sandbox is its rule.
        script = f'exec "$@" 3<&{to_read} 4>&{to_write}'
        self.process = subprocess.Popen(
            ["/bin/bash", "-c", script, "chromium", program, "--headless", "--no-sandbox",
             "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--disable-sync",
             "--disable-extensions", "--force-device-scale-factor=1", "--font-render-hinting=none",
             f"--user-data-dir={self.home}/profile", "--remote-debugging-pipe", "about:blank"],
            pass_fds=(to_read, to_write), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        os.close(to_read)
        os.close(to_write)
        log.close()
        self.bytes, self.next, self.events = b"", 0, []
        target = self.call("Target.createTarget", {"url": "about:blank"}, None)["targetId"]
        self.session = self.call("Target.attachToTarget", {"targetId": target, "flatten": True},
                                 None)["sessionId"]
        for domain in ("Page", "Network", "Log", "Runtime"):
            self.call(f"{domain}.enable")

    def read(self, until):
        while b"\0" not in self.bytes:
            left = until - time.monotonic()
            if left <= 0 or not select.select([self.from_browser], [], [], left)[0]:
                raise Broken("the browser does not answer")
            some = os.read(self.from_browser, 1 << 20)
            if not some:
                with open(os.path.join(self.home, "log"), encoding="utf-8", errors="replace") as f:
                    raise Broken("the browser has ended: " + f.read()[-2000:])
            self.bytes += some
        message, _, self.bytes = self.bytes.partition(b"\0")
        return json.loads(message)

    def call(self, method, params=None, session=""):
        self.next += 1
        request = {"id": self.next, "method": method, "params": params or {}}
        if session is not None:
            request["sessionId"] = session or self.session
        data = json.dumps(request).encode() + b"\0"
        while data:
            data = data[os.write(self.to_browser, data):]
        until = time.monotonic() + LIMIT
        while True:
            message = self.read(until)
            if message.get("id") == self.next:
                if "error" in message:
                    raise Broken(f"{method}: {message['error']['message']}")
                return message["result"]
            self.events.append(message)

    def wait(self, method):
        until = time.monotonic() + LIMIT
        seen = 0
        while True:
            for message in self.events[seen:]:
                if message.get("method") == method:
                    return message["params"]
            seen = len(self.events)
            self.events.append(self.read(until))

    def look(self, width, height, dark=False, media=""):
        self.call("Emulation.setDeviceMetricsOverride",
                  {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500})
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", {"media": media, "features": [scheme]})

    def open(self, url):
        self.events = []
        answer = self.call("Page.navigate", {"url": url})
        if answer.get("errorText"):
            raise Broken(f"{url}: {answer['errorText']}")
        self.wait("Page.loadEventFired")

    def ask(self, script):
        answer = self.call("Runtime.evaluate", {"expression": script, "returnByValue": True,
                                                "awaitPromise": True})
        if "exceptionDetails" in answer:
            raise Broken(json.dumps(answer["exceptionDetails"])[:2000])
        return answer["result"].get("value")

    def requests(self):
        """Everything that was asked for since open()."""
        return [m["params"]["request"]["url"] for m in self.events
                if m.get("method") == "Network.requestWillBeSent"]

    def complaints(self):
        """What stands in the console: errors of the page, what its policy has blocked, exceptions."""
        self.ask("0")
        out = [m["params"]["entry"]["text"] for m in self.events
               if m.get("method") == "Log.entryAdded"]
        out += [json.dumps(m["params"]) for m in self.events
                if m.get("method") in ("Runtime.consoleAPICalled", "Runtime.exceptionThrown",
                                       "Page.javascriptDialogOpening")]
        return out

    def picture(self, path, most=16000):
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": min(size["height"], most),
                "scale": 1}
        shot = self.call("Page.captureScreenshot", {"format": "png", "clip": clip,
                                                    "captureBeyondViewport": True})
        with open(path, "wb") as file:
            file.write(base64.b64decode(shot["data"]))

    def paper(self):
        return base64.b64decode(self.call("Page.printToPDF", {"printBackground": True})["data"])

    def close(self):
        try:
            self.call("Browser.close", None, None)
        except (Broken, OSError):
            pass
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        os.close(self.to_browser)
        os.close(self.from_browser)
        shutil.rmtree(self.home, ignore_errors=True)
