#!/usr/bin/env bash
# bitsandbytes 0.50.2 on a CPU with AVX512: dequantize_4bit.
#
# One would guess: a matrix in 4 bits is worth the same by each of its kernels. Blocks run over the flattened matrix, so
# that a block of 128 of a matrix with 192 columns goes over the end of a row.
# What happens: where rows are no whole blocks, and blocks are of 128 or more, the CPU's kernel takes the scales of other
# blocks from the second row on. Values are off by up to half of what they should be; nothing is said. Blocks of 64, the
# default, are right.
# Output of 2026-11-30 (EPYC with AVX512):
#   blocks of 64, 3 x 192: off by 0
#   blocks of 128, 3 x 256: off by 0
#   blocks of 128, 3 x 192: off by 0.082 of the largest value
# Matters in src/checkpoint/bitsandbytes.cc, which reads blocks as they are written.
set -euo pipefail
grep -q avx512f /proc/cpuinfo || { echo "this CPU has no AVX512: nothing to show"; exit 0; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check 'bitsandbytes==0.50.2' numpy
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import torch
from bitsandbytes.backends.default.ops import _dequantize_4bit_compute
from bitsandbytes.functional import dequantize_4bit, quantize_4bit

torch.manual_seed(1)


def off(block, columns):
    packed, state = quantize_4bit(torch.randn(3, columns), blocksize=block, quant_type="nf4")
    want = _dequantize_4bit_compute(packed.reshape(-1), state.absmax, state.code, block, (3, columns), torch.float32)
    share = float((dequantize_4bit(packed, state) - want).abs().max() / want.abs().max())
    print(f"blocks of {block}, 3 x {columns}: off by {share:.2g} of the largest value")
    return share


if off(64, 192) or off(128, 256) or not off(128, 192):
    sys.exit("bitsandbytes takes other scales than it did")
PYTHON
