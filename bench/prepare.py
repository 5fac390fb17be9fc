#!/usr/bin/env python3
"""How long `falconer prepare alpaca` takes on many rows.

    bench/prepare.py --checkpoint falcon-7b --rows alpaca.json --count 52000

The rows are repeated up to --count. No two are alike: a repeated row has its number in the
instruction, and the words of its answer are shuffled, so that no cache sees a row twice.
"""
import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))


def repeat(rows, count):
    numbers = random.Random(1)
    made = []
    for i in range(count):
        row = dict(rows[i % len(rows)])
        if i >= len(rows):
            row["instruction"] += f" {i}"
            words = row["output"].split(" ")
            numbers.shuffle(words)
            row["output"] = " ".join(words)
        made.append(row)
    return made


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--checkpoint", required=True, help="folder with tokenizer.json")
    parser.add_argument("--rows", required=True, help="alpaca rows, a JSON array")
    parser.add_argument("--program", default=os.path.join(HERE, "../build/falconer"))
    parser.add_argument("--count", type=int, default=52000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with open(options.rows, encoding="utf-8") as file:
        rows = json.load(file)
    if not rows:
        sys.exit(f"bench/prepare.py: {options.rows} holds no rows")
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "rows.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(repeat(rows, options.count), file, indent=4)
        taken = []
        for _ in range(options.rounds):
            start = time.perf_counter()
            subprocess.run([options.program, "prepare", "alpaca", "--input", path, "--checkpoint",
                            options.checkpoint, "--out", os.path.join(folder, "out")],
                           check=True, stdout=subprocess.DEVNULL)
            taken.append(time.perf_counter() - start)
        print(f"{options.count} rows, {os.path.getsize(path) / 1e6:.1f} MB: "
              + ", ".join(f"{t:.2f}" for t in taken) + " s")


if __name__ == "__main__":
    main()
