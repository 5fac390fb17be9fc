#!/usr/bin/env bash
# transformers 5.24.0: Falcon-H1 with a finite "time_step_limit".
#
# One would guess: logits do not depend on whether a sequence is read at once or token by token with a cache.
# What happens: on the plain path, without mamba_ssm's kernels, the limits clamp the time steps of what is read together, a
# prompt or a row in training. A single token that continues a cache goes through another function, which is not told of
# them. A model with finite limits so answers with another function than the one that its loss was measured with. With the
# default, [0, Infinity], both are the same; published models have that.
# Output of 2026-11-30 (largest difference of the last logits over the largest logit, of a small random model):
#   no limits:   6e-07
#   [0, 0.1]:    1.1e+00
# Matters in src/model/arch/falcon_h1.cc: Falconer refuses finite limits.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check 'transformers==5.24.0' 'torch==2.15.0' numpy
HF_HUB_OFFLINE=1 TRANSFORMERS_VERBOSITY=error "$folder/venv/bin/python" - <<'PYTHON'
import sys

import torch
from transformers import FalconH1Config, FalconH1ForCausalLM


@torch.no_grad()
def difference(limit):
    torch.manual_seed(0)
    config = FalconH1Config(vocab_size=64, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2,
                            num_key_value_heads=1, head_dim=16, mamba_d_ssm=32, mamba_n_heads=4, mamba_d_head=8,
                            mamba_d_state=8, mamba_chunk_size=8, mamba_norm_before_gate=False, max_position_embeddings=128,
                            bos_token_id=1, eos_token_id=2, pad_token_id=None, time_step_limit=limit)
    model = FalconH1ForCausalLM(config).eval()
    for p in model.parameters():
        if p.dim() > 1:
            p.normal_(0, 1 if p.dim() == 3 else p.shape[1] ** -0.5)
    ids = torch.randint(3, 64, (1, 12))
    whole = model(ids).logits[0, -1]
    said = model(ids[:, :6], use_cache=True)
    for i in range(6, 12):
        said = model(ids[:, i:i + 1], use_cache=True, cache=said.cache)
    return float((whole - said.logits[0, -1]).abs().max() / whole.abs().max())


without, limited = difference((0.0, float("inf"))), difference((0.0, 0.1))
print(f"no limits:   {without:.0e}\n[0, 0.1]:    {limited:.1e}")
if not (without < 1e-5 and limited > 0.1):
    sys.exit("Falcon-H1's time steps are now limited in the same way token by token")
PYTHON
