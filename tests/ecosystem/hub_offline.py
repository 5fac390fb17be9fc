#!/usr/bin/env python3
"""One cache for falconer and huggingface_hub: what either has fetched, the other uses.

A server on this machine behaves like the hub. Prints PASS or FAIL for each check; exit code 1 where
one failed, 77 where a Python package is missing.

    tests/ecosystem/hub_offline.py --program build/falconer
"""

import argparse
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

try:
    import huggingface_hub  # noqa: F401
except ImportError:
    print("skipped: the Python package huggingface_hub is missing")
    sys.exit(77)

ROOT = pathlib.Path(__file__).resolve().parents[2]
REPO = "org/demo"
COMMIT = "c0ffee" + "0" * 34


def git_sha1(content):
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def read_repo(folder):
    files = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
    files["README.md"] = b"# A model\n"
    return files


class Hub(ThreadingHTTPServer):
    """Counts the bytes of bodies that it sends."""

    daemon_threads = True

    def __init__(self, files):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = files
        self.sent = 0
        self.requests = 0
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def endpoint(self):
        return "http://127.0.0.1:%d" % self.server_address[1]

    def describe(self, name):
        content = self.files[name]
        entry = {"size": len(content), "oid": git_sha1(content), "blobId": git_sha1(content)}
        if name.endswith(".safetensors"):
            sha = hashlib.sha256(content).hexdigest()
            entry["lfs"] = {"size": len(content), "sha256": sha, "oid": sha, "pointerSize": 134}
        return entry


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def reply(self, status, body=b"", headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        if "Content-Length" not in dict(headers):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
            self.server.sent += len(body)

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        hub = self.server
        hub.requests += 1
        path = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path)
        if path.startswith(f"/api/models/{REPO}/tree/"):
            tree = [{"type": "file", "path": name, **hub.describe(name)} for name in hub.files]
            return self.reply(200, json.dumps(tree).encode())
        if path.startswith(f"/api/models/{REPO}"):
            siblings = [{"rfilename": name, **hub.describe(name)} for name in hub.files]
            info = {"id": REPO, "modelId": REPO, "sha": COMMIT, "siblings": siblings}
            return self.reply(200, json.dumps(info).encode())
        name = path.rsplit("/", 1)[-1]
        common = [("X-Repo-Commit", COMMIT)]
        if name not in hub.files:
            return self.reply(404, b"", common + [("X-Error-Code", "EntryNotFound")])
        entry = hub.describe(name)
        etag = entry["lfs"]["sha256"] if "lfs" in entry else entry["oid"]
        content = hub.files[name]
        headers = common + [("ETag", f'"{etag}"')]
        if "lfs" in entry and "/stored/" not in path:
            headers += [("X-Linked-Etag", f'"{etag}"'), ("X-Linked-Size", str(len(content))),
                        ("Location", f"{hub.endpoint}/stored/{name}")]
            return self.reply(302, b"", headers)
        begin = self.headers.get("Range", "")
        if begin.startswith("bytes="):
            at = int(begin[6:].split("-")[0])
            headers.append(("Content-Range", f"bytes {at}-{len(content) - 1}/{len(content)}"))
            return self.reply(206, content[at:], headers)
        if self.command == "HEAD":
            headers.append(("Content-Length", str(len(content))))
        return self.reply(200, content, headers)


failures = 0


def check(name, condition, detail=""):
    global failures
    failures += not condition
    print(("PASS " if condition else "FAIL ") + name + (f": {detail}" if detail else ""), flush=True)


def environment(home, hub=None, **more):
    env = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "TRANSFORMERS_"))}
    env.update(HF_HOME=str(home), HF_HUB_DISABLE_TELEMETRY="1", HF_HUB_DISABLE_XET="1", **more)
    env["HF_ENDPOINT"] = hub.endpoint if hub else "http://127.0.0.1:1"
    return env


def run(command, env):
    return subprocess.run(command, env=env, capture_output=True, text=True)


def python(code, env):
    return run([sys.executable, "-c", code], env)


def falconer_then_hub(program, hub, home):
    """falconer fetches; huggingface_hub and transformers open it without a network."""
    fetched = run([program, "download", REPO], environment(home, hub))
    check("falconer downloads", fetched.returncode == 0, fetched.stderr.strip()[-300:] if fetched.returncode else "")
    folder = fetched.stdout.strip()
    offline = environment(home, HF_HUB_OFFLINE="1")
    opened = python(f"from huggingface_hub import snapshot_download; print(snapshot_download({REPO!r}))", offline)
    check("huggingface_hub finds the snapshot offline", opened.stdout.strip() == folder, opened.stderr.strip()[-300:])
    files = python("from huggingface_hub import hf_hub_download, try_to_load_from_cache, _CACHED_NO_EXIST\n"
                   f"print(hf_hub_download({REPO!r}, 'model.safetensors'))\n"
                   f"print(try_to_load_from_cache({REPO!r}, 'generation_config.json') is _CACHED_NO_EXIST)", offline)
    check("huggingface_hub finds single files offline, and what the repository has not",
          files.stdout.split() == [folder + "/model.safetensors", "True"], files.stderr.strip()[-300:])
    scanned = python("from huggingface_hub import scan_cache_dir\n"
                     "cache = scan_cache_dir()\n"
                     "repo, = cache.repos\n"
                     "print(len(cache.warnings), repo.repo_id, sorted(r for v in repo.revisions for r in v.refs), repo.nb_files)",
                     offline)
    check("huggingface_hub's scan of the cache has no complaint",
          scanned.stdout.strip() == f"0 {REPO} ['main'] 4", scanned.stdout.strip() + scanned.stderr.strip()[-300:])
    sent = hub.sent
    again = python("from huggingface_hub import snapshot_download\n"
                   f"snapshot_download({REPO!r}, allow_patterns=['*.safetensors', 'tokenizer*', 'config.json'])",
                   environment(home, hub))
    large = sum(len(content) for name, content in hub.files.items() if name in ("model.safetensors", "tokenizer.json"))
    check("huggingface_hub fetches nothing of that again", again.returncode == 0 and hub.sent - sent < large / 10,
          again.stderr.strip()[-300:])
    try:
        import transformers  # noqa: F401
    except ImportError:
        print("skipped: transformers is missing")
        return
    loaded = python("from transformers import AutoModelForCausalLM, AutoTokenizer\n"
                    f"model = AutoModelForCausalLM.from_pretrained({REPO!r})\n"
                    f"print(sum(p.numel() for p in model.parameters()) > 0, len(AutoTokenizer.from_pretrained({REPO!r})('hello')['input_ids']) > 0)",
                    offline)
    check("transformers loads it by its name offline", loaded.stdout.split()[-2:] == ["True", "True"],
          loaded.stderr.strip()[-300:] if loaded.returncode else "")


def hub_then_falconer(program, hub, home):
    """huggingface_hub fetches; falconer uses it and fetches no byte."""
    fetched = python(f"from huggingface_hub import snapshot_download; print(snapshot_download({REPO!r}))", environment(home, hub))
    check("huggingface_hub downloads", fetched.returncode == 0, fetched.stderr.strip()[-300:] if fetched.returncode else "")
    folder = fetched.stdout.strip()
    generate = [program, "generate", "--checkpoint", REPO, "--prompt", "The", "--raw", "--temperature", "0",
                "--max-new-tokens", "4", "--json"]
    sent, requests = hub.sent, hub.requests
    online = run(generate, environment(home, hub))
    check("falconer generates from that cache without a request",
          online.returncode == 0 and (hub.sent, hub.requests) == (sent, requests), online.stderr.strip()[-300:] if online.returncode else "")
    offline = run(generate, environment(home, HF_HUB_OFFLINE="1"))
    ids = [json.loads(text.stdout or "{}").get("ids") for text in (online, offline)]
    check("falconer generates from that cache offline", offline.returncode == 0 and ids[0] == ids[1],
          offline.stderr.strip()[-300:] if offline.returncode else "")
    found = run([program, "download", REPO, "--json"], environment(home, HF_HUB_OFFLINE="1"))
    check("falconer download finds the snapshot offline",
          found.returncode == 0 and json.loads(found.stdout)["folder"] == folder, found.stderr.strip()[-300:])
    sent = hub.sent
    report = json.loads(run([program, "download", REPO, "--json"], environment(home, hub)).stdout)
    check("falconer download fetches no byte again",
          report["received_bytes"] == 0 and report["folder"] == folder and not any(f["fetched"] for f in report["files"]))
    local = run([program, "download", REPO, "--local-dir", str(home / "local")], environment(home, hub))
    check("falconer copies it to a folder without the network",
          local.returncode == 0 and (home / "local/model.safetensors").read_bytes() == hub.files["model.safetensors"]
          and not (home / "local/model.safetensors").is_symlink())


def local_folder(program, hub, home):
    """A folder that falconer has filled is known to huggingface_hub, and the other way around."""
    ours, theirs = home / "ours", home / "theirs"
    env = environment(home, hub)
    large = len(hub.files["model.safetensors"])
    run([program, "download", REPO, "--local-dir", str(ours)], environment(home / "a", hub))
    sent = hub.sent
    again = python(f"from huggingface_hub import hf_hub_download; hf_hub_download({REPO!r}, 'model.safetensors', local_dir={str(ours)!r})",
                   environment(home / "b", hub))
    check("huggingface_hub knows a local folder that falconer has filled",
          again.returncode == 0 and hub.sent - sent < large / 10, again.stderr.strip()[-300:])
    python(f"from huggingface_hub import snapshot_download; snapshot_download({REPO!r}, local_dir={str(theirs)!r})", env)
    report = run([program, "download", REPO, "--local-dir", str(theirs), "--json"], environment(home / "c", hub))
    check("falconer knows a local folder that huggingface_hub has filled",
          report.returncode == 0 and json.loads(report.stdout)["received_bytes"] == 0, report.stderr.strip()[-300:])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=str(ROOT / "build/falconer"))
    parser.add_argument("--goldens", help="not used")
    arguments = parser.parse_args()
    program = str(pathlib.Path(arguments.program).resolve())
    for scenario in (falconer_then_hub, hub_then_falconer, local_folder):
        with tempfile.TemporaryDirectory() as home:
            scenario(program, Hub(read_repo(ROOT / "demo/checkpoint")), pathlib.Path(home))
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
