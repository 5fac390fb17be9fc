#!/usr/bin/env bash
# peft 0.21.2: alpha_pattern and rank_pattern in adapter_config.json.
#
# One would guess: an adapter that is saved and loaded computes what it did.
# What happens: of the keys of alpha_pattern, which are regular expressions, the first that matches counts, in the
# order of the dictionary. save_pretrained() sorts the keys. Where two of them match one module, another one may count
# after loading, and the adapter has another scale, without a word.
# Output of 2026-11-30:
#   scale of h.1.dense: 1.0 as trained, 16.0 as loaded
# Matters in src/method/lora_file.cc, which names whole modules in the patterns that it writes, so that no two match.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check 'peft==0.21.2'
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import sys

import peft
import torch


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.h = torch.nn.ModuleList([torch.nn.ModuleDict({"dense": torch.nn.Linear(8, 8)}) for _ in range(2)])

    def forward(self, x):
        return x


def scale(model):
    return model.base_model.model.h[1]["dense"].scaling["default"]


config = peft.LoraConfig(r=4, target_modules=["dense"], alpha_pattern={"dense": 4, r".*1\.dense": 64})
trained = peft.get_peft_model(Model(), config)
trained.save_pretrained(sys.argv[1] + "/adapter")
loaded = peft.PeftModel.from_pretrained(Model(), sys.argv[1] + "/adapter")
print(f"scale of h.1.dense: {scale(trained)} as trained, {scale(loaded)} as loaded")
if scale(trained) == scale(loaded):
    sys.exit("peft keeps the order of alpha_pattern now")
PYTHON
