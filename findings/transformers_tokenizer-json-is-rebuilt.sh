#!/usr/bin/env bash
# transformers 5.24.0: AutoTokenizer beside a tokenizer.json.
#
# One would guess: it encodes as tokenizer.json says, as tokenizers.Tokenizer.from_file does.
# What happens: for some classes (Qwen2Tokenizer, LlamaTokenizer, GemmaTokenizer, ...), which tokenizer_config.json names
# or the model_type stands for, only the vocabulary, the merges, the added tokens and the post-processor are taken from the
# file. Normalizer, pre-tokenizer and decoder are the class's own. A tokenizer.json that cuts digits or words another way is
# then encoded with other ids, without a word.
# Output of 2026-11-30 (a tokenizer that keeps numbers together, of a model of type qwen2):
#   tokenizers:    ['12', ' 12']
#   AutoTokenizer: ['1', '2', ' ', '1', '2']
# Matters in src/text: Falconer follows tokenizer.json as it is.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check 'transformers==5.24.0' 'tokenizers==0.23.3' 'jinja2==3.1.6'
HF_HUB_OFFLINE=1 TRANSFORMERS_VERBOSITY=error "$folder/venv/bin/python" - "$folder" <<'PYTHON'
import json
import sys

from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoTokenizer

vocab = {token: number for number, token in enumerate(["<|endoftext|>", "1", "2", "Ġ", "12", "Ġ12"])}
tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=[("1", "2"), ("Ġ", "12")]))
tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
tokenizer.add_special_tokens(["<|endoftext|>"])
tokenizer.save(f"{sys.argv[1]}/tokenizer.json")
for name, content in (("config.json", {"model_type": "qwen2"}), ("tokenizer_config.json", {"eos_token": "<|endoftext|>"})):
    with open(f"{sys.argv[1]}/{name}", "w", encoding="utf-8") as out:
        json.dump(content, out)
found = {"tokenizers": tokenizer.encode("12 12").ids, "AutoTokenizer": AutoTokenizer.from_pretrained(sys.argv[1])("12 12").input_ids}
for name, ids in found.items():
    print(f"{name + ':':14} {[tokenizer.decode([i]) for i in ids]}")
if found["tokenizers"] != [4, 5] or found["AutoTokenizer"] != [1, 2, 3, 1, 2]:
    sys.exit("AutoTokenizer no longer rebuilds a qwen2 tokenizer with a pre-tokenizer of its own")
PYTHON
