"""What the scripts of this folder share: running falconer, and one line for each check."""
import argparse
import json
import math
import pathlib
import subprocess
import sys
import tempfile

MISSING_PACKAGE = 77


class Checks:
    def __init__(self, title):
        parser = argparse.ArgumentParser(description=title)
        parser.add_argument("--program", default="build/falconer")
        parser.add_argument("--goldens", default="../shared/goldens")
        args = parser.parse_args()
        self.program = pathlib.Path(args.program).resolve()
        self.goldens = pathlib.Path(args.goldens).resolve()
        self.failures = 0
        self.name = pathlib.Path(sys.argv[0]).stem
        self._folder = tempfile.TemporaryDirectory(prefix="falconer-ecosystem-")
        self.folder = pathlib.Path(self._folder.name)
        if not self.program.exists():
            sys.exit(f"{self.program}: not built; run make build")
        if not self.goldens.is_dir():
            print(f"skipped {self.name}: {self.goldens} is not here")
            sys.exit(0)

    def check(self, what, good, detail=""):
        self.failures += not good
        print(f"{'PASS' if good else 'FAIL'} {self.name}: {what}{': ' + str(detail) if detail else ''}", flush=True)

    def close(self, what, difference, bound):
        """A NaN is not below any bound."""
        self.check(what, difference <= bound, f"largest difference {difference:.2g}, bound {bound:.2g}")

    def skip(self, what, why):
        print(f"skipped {self.name}: {what}: {why}", flush=True)

    def finish(self):
        sys.exit(1 if self.failures else 0)

    def run(self, *words):
        """falconer with these words; its standard output. Ends the script where it fails."""
        done = subprocess.run([str(self.program), "--log", "warning", *map(str, words)], capture_output=True, text=True)
        if done.returncode != 0:
            print(f"FAIL {self.name}: falconer {' '.join(map(str, words))}: {done.stderr.strip()}")
            sys.exit(1)
        return done.stdout

    def refused(self, what, words, *mentions):
        done = subprocess.run([str(self.program), *map(str, words)], capture_output=True, text=True)
        good = done.returncode in (1, 2) and all(m in done.stderr for m in mentions)
        self.check(what, good, "" if good else f"exit {done.returncode}: {done.stderr.strip()}")

    def logits(self, checkpoint, rows, adapter=None, precision="f32"):
        """[T, vocabulary] for each row of ids, as falconer has them."""
        from safetensors.numpy import load_file

        data, out = self.folder / "score.jsonl", self.folder / "score.safetensors"
        data.write_text("".join(json.dumps({"input_ids": list(map(int, row))}) + "\n" for row in rows))
        words = ["score", "--checkpoint", checkpoint, "--data", data, "--output", self.folder / "scored.jsonl",
                 "--logits", out, "--precision", precision]
        self.run(*words, *(["--adapter", adapter] if adapter else []))
        tensors = load_file(out)
        return [tensors[f"logits.{i}"] for i in range(len(rows))]

    def train(self, method, checkpoint, out, *flags):
        """An adapter of a few steps on random rows, so that nothing in it is at its first value."""
        data = self.folder / "train.jsonl"
        vocabulary = json.loads((pathlib.Path(checkpoint) / "config.json").read_text())["vocab_size"]
        rows = random_rows(12, 14, vocabulary, seed=3)
        data.write_text("".join(json.dumps({"input_ids": row, "labels": row}) + "\n" for row in rows))
        self.run("finetune", method, "--checkpoint", checkpoint, "--data", data, "--out", out, "--max-steps", 4,
                 "--batch-size", 6, "--lr", "2e-2", "--warmup-steps", 0, "--precision", "f32", *flags)
        return pathlib.Path(out) / "final"


def random_rows(count, length, vocabulary, seed):
    """The same rows each time: a multiplicative generator, no package needed."""
    state, rows = seed * 7919 + 1, []
    for _ in range(count):
        row = []
        for _ in range(length):
            state = state * 48271 % 2147483647
            row.append(state % vocabulary)
        rows.append(row)
    return rows


def largest(a, b):
    """The largest difference of two lists of arrays; NaN where there is one, or another shape."""
    most = 0.0
    for x, y in zip(a, b, strict=True):
        if x.shape != y.shape:
            return math.nan
        difference = float(abs(x - y).max())
        if not difference <= most:
            most = difference
    return most


def need(*packages):
    """Ends the script as skipped where a package is not installed."""
    import importlib

    for package in packages:
        try:
            importlib.import_module(package)
        except ImportError as error:
            print(f"skipped {pathlib.Path(sys.argv[0]).stem}: {error}")
            sys.exit(MISSING_PACKAGE)
