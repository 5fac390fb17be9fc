#!/usr/bin/env bash
# litgpt 0.5.13: keys and values of LLaMA-Adapter's prompts.
#
# One would guess: the prompt goes through attn.qkv, and its keys and values are the rows that are keys and values for every
# other token: all queries come first, then all keys, then all values.
# What happens: litgpt/adapter.py takes that product apart group by group (queries, key, value of each), as its files were
# before December 2024. Unless there is one group, the prompt's keys and values are made of rows of others, and an adapter of
# LitGPT computes something else than one of the same numbers in the order of the rest of its attention.
# Output of 2026-11-30:
#   1 group: the prompt's keys are those of attn.qkv's rows for keys: True
#   2 groups: the prompt's keys are those of attn.qkv's rows for keys: False
#   4 groups: the prompt's keys are those of attn.qkv's rows for keys: False
# Matters in src/method/adapter.cc, which takes the rows by what they are: adapters that LitGPT trained on a model with more
# than one group score differently here.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check 'torch==2.15.0' pyyaml typing_extensions numpy safetensors tqdm \
  huggingface_hub
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps 'litgpt==0.5.13' lightning lightning-utilities \
  pytorch-lightning torchmetrics jsonargparse packaging fsspec
"$folder/venv/bin/python" - <<'PYTHON'
import sys
import warnings

import torch

warnings.simplefilter("ignore")
from litgpt.adapter import GPT, Config

found = {}
for groups in (1, 2, 4):
    torch.manual_seed(groups)
    model = GPT(Config(block_size=16, vocab_size=32, padded_vocab_size=32, n_layer=1, n_head=4, n_embd=16, n_query_groups=groups,
                       rotary_percentage=1.0, adapter_start_layer=0, adapter_prompt_length=3))
    with torch.no_grad():
        model(torch.tensor([[1, 2, 3]]))
        attention = model.transformer.h[0].attn
        keys = attention.adapter_kv_cache[0][0, :: 4 // groups]
        rows = attention.qkv(attention.adapter_wte.weight)
        size = attention.config.head_size
        expected = rows[:, 4 * size : (4 + groups) * size].view(3, groups, size).transpose(0, 1)
    found[groups] = torch.allclose(keys, expected)
    print(f"{groups} group{'s' * (groups > 1)}: the prompt's keys are those of attn.qkv's rows for keys: {found[groups]}")
if found != {1: True, 2: False, 4: False}:
    sys.exit("litgpt takes the prompt's product apart otherwise now")
PYTHON
