"""Small files of every kind that the program reads, and the program run on what was made of them.

For the scripts beside this file that damage inputs. The standard library alone."""

import gzip
import json
import os
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

# What no user may see: words of libraries, and of a broken assumption of our own.
FORBIDDEN = ("bug in falconer", "internal check", "[json.exception", "std::", "stoll", "stoi", "stod",
             "basic_string", "filesystem error", "vector::", "terminate called", "boost", "CLI::",
             "AddressSanitizer", "runtime error:")
SECONDS = 20 * int(os.environ.get("FALCONER_TEST_SLOWNESS", "1"))

CONFIG = {"model_type": "falcon", "architectures": ["FalconForCausalLM"], "vocab_size": 1024,
          "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "multi_query": True,
          "parallel_attn": True, "new_decoder_architecture": False, "alibi": False, "bias": False,
          "layer_norm_epsilon": 1e-05, "rope_theta": 10000.0, "max_position_embeddings": 64,
          "bos_token_id": 1, "eos_token_id": 1, "tie_word_embeddings": True,
          "initializer_range": 0.02}


class ForkServer:
    """The program, loaded once and forked for each run (tests/support/fork_server.cc): most of a short run is the
    dynamic linker's."""

    def __init__(self, path, library, environment):
        self.folder = tempfile.TemporaryDirectory()
        self.process = subprocess.Popen([path], env=dict(environment, LD_PRELOAD=library), stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()
        self.folder.cleanup()

    def number(self, seconds=None):
        if not select.select([self.process.stdout], [], [], seconds)[0]:
            return None
        return struct.unpack("<i", os.read(self.process.stdout.fileno(), 4))[0]

    def run(self, words, cwd, text):
        given, said = Path(self.folder.name) / "in", Path(self.folder.name) / "out"
        given.write_text(text)
        request = b"".join(os.fsencode(word) + b"\0" for word in (os.path.abspath(cwd), given, said, *words))
        self.process.stdin.write(struct.pack("<I", len(request)) + request)
        self.process.stdin.flush()
        child = self.number()
        status = self.number(SECONDS)
        if status is None:
            os.kill(child, signal.SIGKILL)
            self.number()
            raise subprocess.TimeoutExpired(words, SECONDS)
        return subprocess.CompletedProcess(words, os.waitstatus_to_exitcode(status),
                                           said.read_text(errors="replace"))


class Program:
    """Runs it, and keeps what was wrong."""

    def __init__(self, path):
        self.path = os.path.abspath(path)
        self.wrong = []
        self.runs = 0
        self.environment = dict(os.environ, HF_HUB_OFFLINE="1", OMP_WAIT_POLICY="passive", COLUMNS="200")
        self.library = self.environment.pop("FALCONER_FORK_SERVER", "")
        self.here = threading.local()  # a server for each thread
        self.servers = []

    def server(self):
        if not hasattr(self.here, "server"):
            self.here.server = ForkServer(self.path, self.library, self.environment)
            self.servers.append(self.here.server)
        return self.here.server

    def run(self, words, cwd, text=""):
        words = list(map(str, words))
        one = [] if any(word.startswith("--threads") for word in words) else ["--threads", "1"]
        if self.library:
            return self.server().run([*one, *words], cwd, text)
        return subprocess.run([self.path, *one, *words], cwd=cwd, input=text,
                              env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, errors="replace", timeout=SECONDS)

    def good(self, words, cwd):
        done = self.run(words, cwd)
        if done.returncode != 0:
            sys.exit(f"the files could not be made: {' '.join(map(str, words))}: {done.stdout}")

    def complain(self, what, words, output):
        self.wrong.append(f"{what}: falconer {' '.join(map(str, words))}\n    {output.strip()[-600:]}")

    def look(self, what, words, cwd):
        """Runs once; None where it was wrong: no end in time, a signal, a foreign word."""
        self.runs += 1
        try:
            done = self.run(words, cwd, "hello\n\n")
        except subprocess.TimeoutExpired:
            self.complain(f"{what}: no end in {SECONDS} s", words, "")
            return None
        said = [word for word in FORBIDDEN if word in done.stdout]
        if done.returncode not in (0, 1, 2) or said:
            self.complain(f"{what}: exit {done.returncode}, {said}", words, done.stdout)
            return None
        if done.returncode != 0 and "falconer: " not in done.stdout:
            self.complain(f"{what}: exit {done.returncode} without a message", words, done.stdout)
        return done

    def end(self):
        for server in self.servers:
            server.close()
        for one in self.wrong:
            print(one)
        print(f"{self.runs} runs, {len(self.wrong)} were wrong")
        sys.exit(1 if self.wrong else 0)


def make_files(program, folder, demo):
    """In `folder`: base, run, prepared, model.gguf, lit, lit_adapter, train.jsonl and so on."""
    folder = Path(folder)
    (folder / "config").mkdir(parents=True)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(Path(demo) / "checkpoint" / name, folder / "config" / name)
    (folder / "config" / "config.json").write_text(json.dumps(CONFIG))
    (folder / "config" / "generation_config.json").write_text(
        json.dumps({"bos_token_id": 1, "eos_token_id": [1, 2]}))
    rows = [{"instruction": f"Say {i}", "input": "", "output": f"{i} it is"} for i in range(12)]
    (folder / "rows.json").write_text(json.dumps(rows))
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "rows.csv").write_text("instruction,output\n" + "Say x,y\n" * 6)
    (folder / "rows.jsonl.gz").write_bytes(gzip.compress((folder / "rows.jsonl").read_bytes()))
    shutil.copy(Path(__file__).parent.parent / "parquet" / "files" / "alpaca.parquet", folder / "rows.parquet")
    (folder / "rows.txt").write_text("A text to learn from.\n" * 20)
    (folder / "ids.jsonl").write_text('{"input_ids": [3, 4, 5], "labels": [-100, 4, 5]}\n' * 4)
    (folder / "texts.jsonl").write_text('{"text": "hello"}\n' * 2)
    (folder / "decode.jsonl").write_text('{"ids": [3, 4, 5]}\n' * 2)
    (folder / "prompts.jsonl").write_text('{"prompt": "hello"}\n{"prompt_ids": [3, 4]}\n')
    train = ["--max-steps", 2, "--batch-size", 4, "--max-seq-length", 48, "--prompt-style", "falcon",
             "--precision", "f32"]
    program.good(["finetune", "full", "--from-scratch", "--checkpoint", "config", "--data",
                  "rows.jsonl", "--out", "start", *train], folder)
    shutil.move(folder / "start" / "final", folder / "base")
    for name in ("falconer.json", "SHA256SUMS"):
        (folder / "base" / name).unlink(missing_ok=True)
    shutil.copy(folder / "config" / "generation_config.json", folder / "base")
    shutil.rmtree(folder / "start")
    # For what is refused before anything is trained: a recipe that is there, of a model that is not.
    (folder / "none.toml").write_text('method = "lora"\ncheckpoint = "nowhere"\ndata = "rows.jsonl"\n')
    (folder / "recipe.toml").write_text(
        'method = "lora"\ncheckpoint = "base"\ndata = "rows.jsonl"\nlr = 1e-3\nmax-steps = 1\n'
        "batch-size = 4\nmax-seq-length = 48\nprompt-style = \"falcon\"\n")
    program.good(["finetune", "lora", "--checkpoint", "base", "--data", "rows.jsonl", "--out", "run",
                  "--save-interval", 1, "--test-size", 2, "--eval-interval", 1, *train], folder)
    program.good(["prepare", "--input", "rows.jsonl", "--checkpoint", "base", "--out", "prepared",
                  "--prompt-style", "falcon"],
                 folder)
    program.good(["export", "--checkpoint", "base", "--format", "gguf", "--out", "model.gguf"],
                 folder)
    program.good(["export", "--checkpoint", "base", "--format", "litgpt", "--out", "lit"], folder)
    program.good(["export", "--checkpoint", "base", "--adapter", "run/final", "--format", "litgpt",
                  "--out", "lit_adapter"], folder)


def in_parallel(work, items, folder, copies=2):
    """work(item, copy) on copies of `folder`, so that what one damages another does not see."""
    folder = Path(folder)
    places = []
    for i in range(copies):
        place = folder.parent / f"{folder.name}-{i}"
        shutil.copytree(folder, place)
        places.append(place)
    shares = [items[i::copies] for i in range(copies)]

    def do(i):
        for item in shares[i]:
            work(item, places[i])

    with ThreadPoolExecutor(copies) as pool:
        list(pool.map(do, range(copies)))
