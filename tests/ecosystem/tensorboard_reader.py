#!/usr/bin/env python3
"""A run's event files, read by TensorBoard's own reader: every scalar once, as metrics.jsonl has it,
after a run was resumed, killed and cut short.

    tensorboard_reader.py --program build/falconer

Prints a line PASS, FAIL or skipped for each check; exit code 1 where one failed, 77 where a package
is missing."""
import argparse
import glob
import json
import logging
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

try:
    from tensorboard.backend.event_processing import event_accumulator, event_file_loader
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)

logging.getLogger("tensorboard").setLevel(logging.ERROR)  # it tells of each restart that it finds

TAGS = {"train/loss": "loss", "train/learning_rate": "lr", "train/grad_norm": "grad_norm",
        "train/tokens_per_second": "tokens_per_second"}
failures = 0


def check(name, good, what=""):
    global failures
    failures += not good
    print(f"{'PASS' if good else 'FAIL'} {name}{'' if good else ': ' + str(what)[:400]}", flush=True)


def make_model(folder):
    """A checkpoint's config.json and rows of token ids; the weights are random."""
    os.makedirs(f"{folder}/model")
    json.dump({"model_type": "falcon", "architectures": ["FalconForCausalLM"], "vocab_size": 61,
               "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
               "multi_query": True, "parallel_attn": True, "new_decoder_architecture": False,
               "alibi": False, "bias": False, "max_position_embeddings": 64, "eos_token_id": 0,
               "torch_dtype": "float32"}, open(f"{folder}/model/config.json", "w"))
    numbers = random.Random(1)
    with open(f"{folder}/rows.jsonl", "w") as rows:
        for _ in range(24):
            ids = [numbers.randrange(1, 61) for _ in range(12)]
            rows.write(json.dumps({"input_ids": ids}) + "\n")


def command(args, folder, out, *more):
    return [args.program, "--log", "warning", "finetune", "full", "--from-scratch",
            "--checkpoint", f"{folder}/model", "--data", f"{folder}/rows.jsonl", "--out", out,
            "--test-size", "4", "--batch-size", "4", "--eval-interval", "2", *more]


def rows_of(out):
    rows = []
    for line in open(f"{out}/metrics.jsonl"):
        try:
            rows.append(json.loads(line))
        except ValueError:
            pass  # the line that a kill cut short
    return rows


def scalars(out, tag):
    accumulator = event_accumulator.EventAccumulator(out, size_guidance={"scalars": 0})
    accumulator.Reload()
    return [(event.step, event.value) for event in accumulator.Scalars(tag)]


def compare(name, out):
    rows = rows_of(out)
    for tag, key in TAGS.items():
        expected = [(row["step"], row[key]) for row in rows if "loss" in row]
        found = scalars(out, tag)
        good = [step for step, _ in found] == [step for step, _ in expected] and all(
            abs(a - b) <= 1e-6 * max(1, abs(b)) for (_, a), (_, b) in zip(found, expected))
        check(f"{name}: {tag}", good, f"{found} for {expected}")
    expected = [row["step"] for row in rows if "eval_loss" in row]
    found = [step for step, _ in scalars(out, "eval/loss")]
    check(f"{name}: eval/loss", found == expected, f"{found} for {expected}")


def test_plain(args, folder):
    out = f"{folder}/plain"
    subprocess.run(command(args, folder, out, "--max-steps", "6", "--save-interval", "4"), check=True,
                   stdout=subprocess.DEVNULL)
    files = glob.glob(f"{out}/events.out.tfevents.*")
    check("a run writes one event file", len(files) == 1, files)
    events = list(event_file_loader.EventFileLoader(files[0]).Load())
    check("it begins with its version", events[0].file_version == "brain.Event:2", events[0])
    compare("a whole run", out)

    # As after a kill behind step 6: resumed from step 4, steps 5 and 6 are written again.
    shutil.rmtree(f"{out}/final")
    subprocess.run(command(args, folder, out, "--max-steps", "8", "--save-interval", "4", "--resume"),
                   check=True, stdout=subprocess.DEVNULL)
    check("a resumed run writes a file of its own",
          len(glob.glob(f"{out}/events.out.tfevents.*")) == 2)
    compare("a resumed run", out)

    # The end of the first file is lost, as when the machine goes down.
    first = sorted(glob.glob(f"{out}/events.out.tfevents.*"))[0]
    with open(first, "ab") as file:
        file.write(struct.pack("<Q", 500) + b"half a record")
    compare("a file with half a record", out)


def test_killed(args, folder):
    out = f"{folder}/killed"
    words = command(args, folder, out, "--max-steps", "100000", "--save-interval", "20", "--resume")
    numbers = random.Random(2)
    for _ in range(3):
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL)
        time.sleep(0.3 + numbers.random())
        process.send_signal(signal.SIGKILL)
        check("a run goes on until it is killed", process.wait() == -signal.SIGKILL)
    steps = max([row["step"] for row in rows_of(out) if "loss" in row], default=0) + 10
    words[words.index("100000")] = str(steps)
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    check("killed three times: each start has its file",
          len(glob.glob(f"{out}/events.out.tfevents.*")) in (3, 4))
    compare("killed three times", out)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    parser.add_argument("--goldens", help="not used")
    args = parser.parse_args()
    args.program = os.path.abspath(args.program)
    with tempfile.TemporaryDirectory() as folder:
        make_model(folder)
        test_plain(args, folder)
        test_killed(args, folder)
    sys.exit(failures > 0)


main()
