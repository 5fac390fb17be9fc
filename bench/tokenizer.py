#!/usr/bin/env python3
"""Falconer's tokenizer beside the `tokenizers` package: same rows, one thread each, in turns.

    make bench
    bench/tokenizer.py --checkpoint falcon-7b --rows alpaca.json

First every id is compared; then each side encodes all rows --rounds times, in turns, and the best
time of each counts. `encode` is what the package does for one text; `encode_batch_fast` is its
quickest way, which keeps no offsets.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

os.environ["RAYON_NUM_THREADS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
HERE = os.path.dirname(os.path.abspath(__file__))


def read_texts(path):
    """One text for each row: its string fields, a line feed between."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    if text.lstrip().startswith("["):
        rows = json.loads(text)
    else:
        rows = [json.loads(line) for line in text.split("\n") if line.strip()]
    return ["\n".join(v for v in row.values() if isinstance(v, str)) for row in rows]


class Falconer:
    def __init__(self, program, checkpoint, texts):
        self.folder = tempfile.TemporaryDirectory()
        rows, self.ids_path = (os.path.join(self.folder.name, n) for n in ("texts", "ids"))
        with open(rows, "w", encoding="utf-8") as file:
            for text in texts:
                file.write(json.dumps(text) + "\n")
        self.process = subprocess.Popen([program, checkpoint, rows, self.ids_path], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        if self.process.stdout.readline() != "ready\n":
            sys.exit(f"bench/tokenizer.py: {program} did not start")

    def ids(self):
        with open(self.ids_path, encoding="utf-8") as file:
            return [json.loads(line) for line in file]

    def seconds(self):
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline().split()[0])

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def seconds(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--checkpoint", required=True, help="folder with tokenizer.json")
    parser.add_argument("--rows", required=True, help=".json or .jsonl rows with text fields")
    parser.add_argument("--program", default=os.path.join(HERE, "../build-bench/bench/tokenizer_speed"))
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    try:
        import tokenizers
    except ImportError:
        print("bench/tokenizer.py: skipped: this Python has no `tokenizers` package")
        return
    if not os.access(options.program, os.X_OK):
        sys.exit(f"bench/tokenizer.py: {options.program} is not built; run make bench")
    theirs = tokenizers.Tokenizer.from_file(os.path.join(options.checkpoint, "tokenizer.json"))
    texts = read_texts(options.rows)
    megabytes = sum(len(text.encode()) for text in texts) / 1e6
    ours = Falconer(options.program, options.checkpoint, texts)
    expected = [theirs.encode(text).ids for text in texts]
    wrong = [i for i, (a, b) in enumerate(zip(ours.ids(), expected)) if a != b]
    if wrong:
        sys.exit(f"bench/tokenizer.py: {len(wrong)} rows differ, the first is row {wrong[0] + 1}")
    ways = {
        "falconer": ours.seconds,
        "tokenizers encode": lambda: seconds(lambda: [theirs.encode(text) for text in texts]),
        "tokenizers encode_batch_fast": lambda: seconds(lambda: theirs.encode_batch_fast(texts)),
    }
    best = {name: float("inf") for name in ways}
    for _ in range(options.rounds):
        for name, way in ways.items():
            best[name] = min(best[name], way())
    ours.close()
    print(f"{len(texts)} rows, {megabytes:.2f} MB, {sum(map(len, expected))} tokens, all ids equal; "
          f"tokenizers {tokenizers.__version__}, one thread, best of {options.rounds}")
    for name, time_taken in best.items():
        print(f"{name:30} {megabytes / time_taken:8.2f} MB/s   falconer is "
              f"{time_taken / best['falconer']:.2f} times as fast")


if __name__ == "__main__":
    main()
