#!/usr/bin/env bash
# peft 0.21.2 (with transformers 5.24.0): ensure_weight_tying.
#
# One would guess: with ensure_weight_tying=True, an embedding in modules_to_save stays tied to the head.
# What happens: only if modules_to_save names "lm_head" or "embed_tokens". Falcon's embedding is called
# word_embeddings, and the head that was tied to it stays what the base has while the embedding learns; nothing is
# said. (Named by "lm_head", the two are tied.)
# Output of 2026-11-30:
#   modules_to_save=['word_embeddings']: one tensor for both: False
#   modules_to_save=['lm_head']: one tensor for both: True
# Matters in src/method/base_changes.cc and peft_config.cc, which do what PEFT does.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check 'peft==0.21.2' 'transformers==5.24.0'
"$folder/venv/bin/python" - <<'PYTHON'
import sys
import warnings

import peft
import transformers

warnings.simplefilter("ignore")
config = transformers.FalconConfig(vocab_size=64, hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
                                   tie_word_embeddings=True)


def tied(name):
    model = peft.get_peft_model(transformers.FalconForCausalLM(config), peft.LoraConfig(
        target_modules=["query_key_value"], modules_to_save=[name], ensure_weight_tying=True))
    head, table = model.base_model.model.lm_head, model.get_input_embeddings()
    found = head.weight.data_ptr() == table.weight.data_ptr()
    print(f"modules_to_save=['{name}']: one tensor for both: {found}")
    return found


if tied("word_embeddings") or not tied("lm_head"):
    sys.exit("peft ties others than it did")
PYTHON
