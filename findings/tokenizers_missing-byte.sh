#!/usr/bin/env bash
# tokenizers 0.23.3: a byte that a byte-level BPE vocabulary lacks.
#
# One would guess: an error, an unknown token, or at least a gap between its neighbours.
# What happens: without an unk_token the byte is silently dropped before merging. Its neighbours are then adjacent
# and are merged into one token, so "a\x01b" has the ids of "ab".
# Output of 2026-11-29:
#   'ab'     -> [3]
#   'a\x01b' -> [3]
#   'a b'    -> [0, 2, 1]
# Matters in src/text (the vocabulary of Falcon lacks 28 bytes): Falconer drops and merges in the same way;
# llama.cpp drops the byte and does not merge.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check 'tokenizers==0.23.3'
"$folder/venv/bin/python" - <<'PYTHON'
import sys

from tokenizers import Tokenizer, models, pre_tokenizers

tokenizer = Tokenizer(models.BPE(vocab={"a": 0, "b": 1, "Ġ": 2, "ab": 3}, merges=[("a", "b")]))
tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
found = {text: tokenizer.encode(text).ids for text in ("ab", "a\x01b", "a b")}
for text, ids in found.items():
    print(f"{text!r:8} -> {ids}")
if found != {"ab": [3], "a\x01b": [3], "a b": [0, 2, 1]}:
    sys.exit("tokenizers no longer drops a missing byte and merges what stood beside it")
PYTHON
