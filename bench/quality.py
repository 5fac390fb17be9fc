#!/usr/bin/env python3
"""What quantised formats cost a model: bytes for a weight, error of the weights, and loss, as lines of a table.

  bench/quality.py [CHECKPOINT ROWS] [--calibrate ROWS] [--program build/falconer] [--formats q4_0,nf4,...]

Without arguments: the demo's checkpoint on stories of the language that it was trained on, from another seed, of which 300
are scored and 100 others calibrate. ROWS are {"text"} or {"input_ids"}, as `falconer score` reads them. Losses are in f32.
"""
import argparse
import json
import os
import re
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FORMATS = ("q8_0,int8,q6_k,q5_k_m,q5_k_s,q5_1,q5_0,q4_k_m,q4_k_s,q4_1,q4_0,iq4_nl,nf4,nf4 --double-quant,fp4,mxfp4,q3_k_l,q3_k_m,"
           "q3_k_s,q2_k")
SEARCHED = ("q2", "q3", "q4", "q5", "q6", "iq4")


def run(a, *words):
    done = subprocess.run([a.program, "--log", "quiet", "--threads", "2", *words], stdout=subprocess.PIPE, check=True)
    return done.stdout.decode()


def loss_of(a, model, rows, folder):
    out = os.path.join(folder, "scores.jsonl")
    run(a, "score", "--checkpoint", model, "--data", rows, "--output", out, "--precision", "f32", "--overwrite")
    total = tokens = 0
    with open(out) as f:
        for line in f:
            row = json.loads(line)
            if row["tokens"]:
                total += row["loss"] * row["tokens"]
                tokens += row["tokens"]
    return total / tokens, tokens


def stories(folder):
    """Two files of the demo's stories."""
    subprocess.run([sys.executable, os.path.join(ROOT, "demo/make_data.py"), folder, "--pages", "400", "--rows", "10",
                    "--held-out", "1", "--seed", "8"], check=True, stdout=subprocess.DEVNULL)
    with open(os.path.join(folder, "pages.jsonl")) as f:
        pages = f.readlines()
    files = [os.path.join(folder, name) for name in ("scored.jsonl", "calibrating.jsonl")]
    for name, part in zip(files, (pages[:300], pages[300:])):
        with open(name, "w") as f:
            f.writelines(part)
    return files


def quantised(a, name, folder, calibrate):
    """The model's file, the bytes of its tensors and its errors in %: of the weights, and as the rows weigh them."""
    out = os.path.join(folder, "model" + (".gguf" if not name.startswith(("nf4", "fp4", "int8")) else "-folder"))
    words = ["quantize", "--checkpoint", a.checkpoint, "--format", *name.split(), "--out", out, "--overwrite"]
    text = run(a, *words, *(["--calibrate", calibrate] if calibrate else []))
    size, unit = re.search(r"([\d.]+) ([MG])B in \d+ tensors", text).groups()
    plain = float(re.search(r"off by ([\d.e-]+) %", text).group(1))
    weighed = re.search(r"weigh columns: by ([\d.e-]+) %", text)
    return out, float(size) * (1e9 if unit == "G" else 1e6), plain, float(weighed.group(1)) if weighed else None


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("checkpoint", nargs="?", default=os.path.join(ROOT, "demo/checkpoint"))
    p.add_argument("rows", nargs="?")
    p.add_argument("--calibrate")
    p.add_argument("--program", default=os.path.join(ROOT, "build/falconer"))
    p.add_argument("--formats", default=FORMATS)
    a = p.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if not a.rows:
            a.rows, a.calibrate = stories(folder)
        before, tokens = loss_of(a, a.checkpoint, a.rows, folder)
        numbers = json.loads(run(a, "inspect", "--checkpoint", a.checkpoint, "--json"))["trained"]["full"]
        print(f"loss {before:.5f} of {tokens} tokens, {numbers} numbers")
        print("| format | bytes of a weight | error | loss | calibrated: error | loss |\n|---|---:|---:|---:|---:|---:|")
        for name in a.formats.split(","):
            file, size, plain, _ = quantised(a, name, folder, None)
            loss = loss_of(a, file, a.rows, folder)[0] - before
            line = f"| `{name}` | {size / numbers:.3f} | {plain:.2f} % | {loss:+.5f} |"
            if a.calibrate and name.startswith(SEARCHED):
                file, _, plain, weighed = quantised(a, name, folder, a.calibrate)
                line += f" {plain:.2f} % | {loss_of(a, file, a.rows, folder)[0] - before:+.5f} |"
            else:
                line += " | |"
            print(line, flush=True)


main()
