"""The server as the scripts beside this file run it: SCRIPT PROGRAM DEMO. The standard library alone."""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

SLOWNESS = float(os.environ.get("FALCONER_TEST_SLOWNESS", "1"))
program, demo = sys.argv[1], Path(sys.argv[2])
checkpoint = demo / "checkpoint"
failures = []


def check(what, good, found=""):
    if not good:
        failures.append(what)
        print(f"FAIL {what}: {found}", flush=True)


def end(said):
    """Of the script: with `said` where nothing failed."""
    if failures:
        sys.exit(f"{len(failures)} failures")
    print(said)


class Server:
    """falconer serve on a free port."""

    def __init__(self, *flags):
        self.process = subprocess.Popen([program, "serve", checkpoint, "--port", "0", *map(str, flags)],
                                        stderr=subprocess.PIPE, text=True)
        self.log, self.port = [], None
        for line in self.process.stderr:
            self.log.append(line)
            found = re.search(r"serving at http://127\.0\.0\.1:(\d+)/", line)
            if found:
                self.port = int(found[1])
                break
        if self.port is None:
            sys.exit("FAIL the server did not start: " + "".join(self.log))
        threading.Thread(target=lambda: self.log.extend(self.process.stderr), daemon=True).start()

    def ask(self, method, path, body=None, raw=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120 * SLOWNESS)
        connection.request(method, path, raw if raw is not None else None if body is None else json.dumps(body),
                           {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, json.loads(text) if text.startswith("{") else text

    def complete(self, **fields):
        status, answer = self.ask("POST", "/v1/completions", fields)
        if status != 200:
            raise RuntimeError(f"{status}: {answer}")
        return answer

    def resident(self):
        return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{self.process.pid}/status").read_text())[1])

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.process.wait(60 * SLOWNESS)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            check("the server stops with code 0", self.stop() == 0, self.process.returncode)


def run(*words, **more):
    done = subprocess.run([program, *map(str, words)], capture_output=True, text=True, **more)
    if done.returncode != 0:
        sys.exit(f"FAIL {' '.join(map(str, words))}: {done.stderr}")
    return done.stdout


def make_adapters(folder):
    for method in ("lora", "adapter", "adapter-v2"):
        run("finetune", method, "--checkpoint", checkpoint, "--data", demo / "data", "--out", folder / method,
            "--max-steps", 20, "--batch-size", 8, "--lr", "1e-2", "-q")


def counter(metrics, name):
    return int(re.search(rf"^{name} (\d+)$", metrics, re.M)[1])
