#!/usr/bin/env python3
"""Tokens that tokenizer.json and the files beside it add to a vocabulary: `falconer tokenize` gives the ids that
transformers gives, whatever ids and flags the files say.

    tests/ecosystem/token_additions.py --program build/falconer [--write FILE] [--cases 400]

Each case is a small byte-level tokenizer with added tokens, of which some are named or listed in tokenizer_config.json,
special_tokens_map.json and added_tokens.json, by chance. Prints PASS or FAIL; exits 1 where one failed, 77 where a
package is missing. `--write` puts some cases, with ids, where tests/text/token_additions_test.cc reads them."""
import argparse
import json
import logging
import os
import random
import subprocess
import sys
import tempfile

try:
    from transformers import PreTrainedTokenizerFast, logging as transformers_logging
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)

logging.disable(logging.WARNING)
transformers_logging.set_verbosity_error()

NAMES = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"]
TOKENS = ["<a>", "<b>", "<c>", "<d>", "<e>", "<f>", "ab", "abc", " x", "<a", "a>"]
TEXTS = ["<a> b <b><c>  <d>x", "ab abc <e> <f>", "a<a  >  <a>b", " x x  x<f> ", "<|end|> <|end|>a", "abab<ab>", "<b>a>b<a"]


def flags(numbers, special=None):
    made = {"single_word": numbers.random() < 0.15, "lstrip": numbers.random() < 0.2, "rstrip": numbers.random() < 0.2,
            "normalized": numbers.random() < 0.3, "special": numbers.random() < 0.6}
    if special is not None:
        made["special"] = special
    return made


def vocabulary(numbers):
    vocab = {}
    for byte in range(33, 127):
        vocab[chr(byte)] = len(vocab)
    for token in ["Ġ", "Ċ", "ab", "Ġx"]:
        vocab[token] = len(vocab)
    for token in ["<|end|>", "<d>"]:
        if numbers.random() < 0.7:
            vocab[token] = len(vocab)
    return vocab


def case(seed):
    numbers = random.Random(seed)
    vocab = vocabulary(numbers)
    count = len(vocab)

    def some(most):
        return numbers.sample(TOKENS + ["<|end|>"], numbers.randrange(most + 1))

    own, at = [], count
    for token in some(5):
        own.append({"id": vocab.get(token, at), "content": token, **flags(numbers)})
        at += token not in vocab
    kind = numbers.random()
    if own and kind < 0.15:
        numbers.choice(own)["id"] = numbers.choice([0, 3, count, count + 1, count + 7, 100000])
    elif own and kind < 0.25:
        numbers.shuffle(own)
    elif own and kind < 0.35:
        own.append({**numbers.choice(own), **flags(numbers)})
    tokenizer = {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": own, "normalizer": None,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
        "post_processor": None,
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "vocab": vocab,
                  "merges": ["a b", "Ġ x"]}}
    config = {"tokenizer_class": "PreTrainedTokenizerFast"}

    def named(token):
        if numbers.random() < 0.7:
            return token
        return {"__type": "AddedToken", "content": token, **flags(numbers, True)}

    for name in NAMES:
        if numbers.random() < 0.25:
            config[name] = named(numbers.choice(TOKENS + ["<|end|>"] * 4))
    if numbers.random() < 0.3:
        config[numbers.choice(["additional_special_tokens", "extra_special_tokens"])] = [named(t) for t in some(4)]
    if numbers.random() < 0.15:
        config["image_token"] = numbers.choice(TOKENS)
    if numbers.random() < 0.15:
        config["audio_token"] = numbers.choice(TOKENS)
    if numbers.random() < 0.5:
        ids = numbers.sample(range(count, count + 30), 5)
        config["added_tokens_decoder"] = {str(i): {"content": t, **flags(numbers)} for i, t in zip(ids, some(5))}
    files = {"tokenizer.json": tokenizer, "tokenizer_config.json": config}
    if numbers.random() < 0.3:
        files["special_tokens_map.json"] = {name: numbers.choice(TOKENS) for name in NAMES if numbers.random() < 0.3}
        if numbers.random() < 0.4:
            files["special_tokens_map.json"]["additional_special_tokens"] = some(3)
    if numbers.random() < 0.25:
        ids = numbers.sample(range(count, count + 20), 3)
        files["added_tokens.json"] = dict(zip(some(3), ids))
    return files


def expected(folder):
    """The ids of TEXTS; None where transformers does not read the files."""
    try:
        tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
        return [tokenizer.encode(text, add_special_tokens=False) for text in TEXTS]
    except Exception:  # noqa: BLE001: of whatever kind
        return None


def found(program, folder):
    rows = "".join(json.dumps({"text": text}) + "\n" for text in TEXTS)
    result = subprocess.run([program, "tokenize", "--checkpoint", folder, "--input", "-", "--output", "-", "-q"],
                            input=rows, capture_output=True, text=True)
    if result.returncode != 0:
        return result.stderr.strip()
    return [json.loads(line)["ids"] for line in result.stdout.splitlines()]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", default="build/falconer")
    parser.add_argument("--write")
    parser.add_argument("--cases", type=int, default=400)
    parser.add_argument("--goldens", help="not used")
    options, _ = parser.parse_known_args()
    program = os.path.abspath(options.program)
    same = refused = skipped = 0
    failed, kept = [], []
    for seed in range(options.cases):
        files = case(seed)
        with tempfile.TemporaryDirectory() as folder:
            for name, content in files.items():
                with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
                    json.dump(content, file)
            want, have = expected(folder), found(program, folder)
        if want is None:
            skipped += 1
        elif have == want:
            same += 1
            if len(kept) < 25:
                kept.append({"files": {name: json.dumps(content) for name, content in files.items()}, "ids": want})
        elif isinstance(have, str) and ("which tokenizer.json lacks" in have):
            refused += 1  # the end of a text is a token that nothing lists: said, and not made up
        else:
            failed.append(seed)
            print(f"FAIL token_additions: case {seed}: {json.dumps({n: c for n, c in files.items() if n != 'tokenizer.json'})} "
                  f"own {json.dumps(files['tokenizer.json']['added_tokens'])}\n  expected {want}\n  found    {have}")
    print(f"{'FAIL' if failed else 'PASS'} token_additions: {same} cases give the same ids, {refused} are refused by name, "
          f"{skipped} are none of transformers', {len(failed)} differ")
    if options.write:
        with open(options.write, "w", encoding="utf-8") as file:
            json.dump({"texts": TEXTS, "cases": kept}, file, separators=(",", ":"))
            file.write("\n")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
