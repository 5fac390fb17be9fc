#!/usr/bin/env bash
# transformers 5.24.0: add_bos_token of tokenizer_config.json.
#
# One would guess: with "add_bos_token": true a text begins with the begin-of-text token, as with transformers 4 (for
# LLaMA's class) and as LlamaTokenizer's documentation says ("defaults to True").
# What happens: beside a tokenizer.json the setting is not read at all, neither true nor false; what tokenizer.json's
# post_processor does counts. With vocabulary files alone (GPT-2's vocab.json and merges.txt, SentencePiece's
# tokenizer.model) it is read, and where it is missing it is False for LLaMA too.
# Output of 2026-11-30:
#   tokenizer.json without bos, add_bos_token true  -> [2, 3]
#   tokenizer.json with bos, add_bos_token false    -> [0, 2, 3]
#   vocab.json and merges.txt, add_bos_token true   -> [0, 2, 3]
#   tokenizer.model, class LlamaTokenizer           -> ['▁a']
#   tokenizer.model, and add_bos_token true         -> ['<s>', '▁a']
# Matters in src/text: Falconer does the same, and says so where add_bos_token asks for a token that no text gets.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check 'transformers==5.24.0' 'tokenizers==0.23.3' \
  'sentencepiece==0.2.3' 'protobuf==7.36.2' 'jinja2==3.1.6'
HF_HUB_OFFLINE=1 TRANSFORMERS_VERBOSITY=error "$folder/venv/bin/python" - "$folder" <<'PYTHON'
import json
import os
import sys

import sentencepiece
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import AutoTokenizer

VOCAB = {"<s>": 0, "</s>": 1, "a": 2, "b": 3}
NAMED = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "</s>"}
failed = False


def loaded(name, model_type, **config):
    folder = f"{sys.argv[1]}/{name}"
    for file, content in (("config.json", {"model_type": model_type}), ("tokenizer_config.json", config)):
        with open(f"{folder}/{file}", "w", encoding="utf-8") as out:
            json.dump(content, out)
    return AutoTokenizer.from_pretrained(folder)


def expect(what, found, expected):
    global failed
    print(f"{what:47} -> {found}")
    failed = failed or found != expected


def tokenizer_json(name, post_processor):
    tokenizer = Tokenizer(models.BPE(vocab=VOCAB, merges=[]))
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    tokenizer.add_special_tokens(["<s>", "</s>"])
    tokenizer.post_processor = post_processor
    os.makedirs(f"{sys.argv[1]}/{name}")
    tokenizer.save(f"{sys.argv[1]}/{name}/tokenizer.json")


tokenizer_json("without", processors.ByteLevel())
expect("tokenizer.json without bos, add_bos_token true", loaded("without", "llama", **NAMED, add_bos_token=True)("ab").input_ids, [2, 3])
tokenizer_json("with", processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)]))
expect("tokenizer.json with bos, add_bos_token false", loaded("with", "llama", **NAMED, add_bos_token=False)("ab").input_ids, [0, 2, 3])

os.makedirs(f"{sys.argv[1]}/files")
with open(f"{sys.argv[1]}/files/vocab.json", "w", encoding="utf-8") as out:
    json.dump(VOCAB, out)
with open(f"{sys.argv[1]}/files/merges.txt", "w", encoding="utf-8") as out:
    out.write("#version: 0.2\n")
gpt2 = loaded("files", "gpt2", **NAMED, tokenizer_class="GPT2Tokenizer", add_bos_token=True)
expect("vocab.json and merges.txt, add_bos_token true", gpt2("ab").input_ids, [0, 2, 3])

os.makedirs(f"{sys.argv[1]}/model")
sentencepiece.SentencePieceTrainer.train(
    sentence_iterator=iter(["a b c"] * 9), model_prefix=f"{sys.argv[1]}/model/tokenizer", model_type="bpe", vocab_size=8,
    hard_vocab_limit=False, minloglevel=2)
os.remove(f"{sys.argv[1]}/model/tokenizer.vocab")
llama = loaded("model", "llama", tokenizer_class="LlamaTokenizer")
plain = llama.convert_ids_to_tokens(llama("a").input_ids)
expect("tokenizer.model, class LlamaTokenizer", plain, [token for token in plain if token != "<s>"])
llama = loaded("model", "llama", tokenizer_class="LlamaTokenizer", add_bos_token=True)
expect("tokenizer.model, and add_bos_token true", llama.convert_ids_to_tokens(llama("a").input_ids), ["<s>", *plain])
if failed:
    sys.exit("transformers reads add_bos_token another way now")
PYTHON
