#!/usr/bin/env bash
# bitsandbytes 0.50.2 on a CPU with AVX512-BF16: Linear4bit with bnb_4bit_compute_dtype=torch.float32.
#
# One would guess: a layer that is to compute in f32 gives the same outputs in eval() as in train(), and whether its input
# wants a gradient changes no output.
# What happens: in eval(), a call whose input wants no gradient takes a kernel in bf16, and outputs are off by some tenths
# of a percent. From then on calls whose input does want one are off from what they were as well. Models come out of
# from_pretrained() in eval(), so that the first layers of a LoRA that is trained without train() are computed so:
# enable_input_require_grads() or train() avoid it.
# Output of 2026-11-30 (EPYC with AVX512-BF16):
#   train(): off by 0 of the largest output
#   eval(): off by 0.0034 of the largest output
#   eval(), with a gradient again: off by 0.0034 of the largest output
# Matters in tests/ecosystem/qlora.py, which compares losses in f32.
set -euo pipefail
grep -q avx512_bf16 /proc/cpuinfo || { echo "this CPU has no AVX512-BF16: nothing to show"; exit 0; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check 'bitsandbytes==0.50.2' numpy
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import torch
from bitsandbytes.nn import Linear4bit

torch.manual_seed(1)
layer = Linear4bit(256, 512, bias=False, compute_dtype=torch.float32, quant_type="nf4").to("cpu")
x = torch.randn(14, 256)


def output(gradient):
    return layer(x.clone().requires_grad_(gradient)).detach()


expected = output(True)


def off(what, found):
    share = float((found - expected).abs().max() / expected.abs().max())
    print(f"{what}: off by {share:.2g} of the largest output")
    return share


trained = off("train()", output(False))
layer.eval()
if trained or not off("eval()", output(False)) or not off("eval(), with a gradient again", output(True)):
    sys.exit("bitsandbytes computes in another way than it did")
PYTHON
