#!/usr/bin/env python3
"""How much memory rows take that are more than fit: peak RSS over a large JSONL file.

    bench/large_data.py --checkpoint demo/checkpoint --rows alpaca.json --megabytes 1000

Writes the rows again and again, no two alike, and loads them as `finetune` does (`falconer plan`).
"""
import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))


def write_rows(path, rows, megabytes):
    count = size = 0
    with open(path, "w", encoding="utf-8") as file:
        while size < megabytes * 1_000_000:
            row = dict(rows[count % len(rows)])
            row["instruction"] += f" {count}"
            size += file.write(json.dumps(row, ensure_ascii=False) + "\n")
            count += 1
    return count


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--checkpoint", required=True, help="a model folder with tokenizer.json")
    parser.add_argument("--rows", required=True, help="alpaca rows, a JSON array")
    parser.add_argument("--program", default=os.path.join(HERE, "../build/falconer"))
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--folder", help="where the file is written, and removed again")
    options = parser.parse_args()
    with open(options.rows, encoding="utf-8") as file:
        rows = json.load(file)
    if not rows:
        sys.exit(f"bench/large_data.py: {options.rows} holds no rows")
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        path = os.path.join(folder, "rows.jsonl")
        count = write_rows(path, rows, options.megabytes)
        start = time.perf_counter()
        done = subprocess.run([options.program, "--log", "warning", "plan", "lora", "--checkpoint",
                               options.checkpoint, "--data", path, "--test-size", "1000"],
                              capture_output=True, text=True, env=dict(os.environ, TMPDIR=folder))
        seconds = time.perf_counter() - start
        if done.returncode != 0:
            sys.exit(done.stderr)
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
        print(f"{count} rows, {os.path.getsize(path) / 1e6:.0f} MB: peak RSS {peak / 1e6:.0f} MB, "
              f"{seconds:.1f} s")


if __name__ == "__main__":
    main()
