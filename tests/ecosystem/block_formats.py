#!/usr/bin/env python3
"""What blocks of every quantised format are worth, and what numbers become, by the programs that the formats come from:
gguf (Python) and bitsandbytes on a CPU. tests/golden/block_formats.json has it, which tests/tensor/blocks_test.cc holds
Falconer's formats against; here it is computed again and compared.

  block_formats.py --write     writes that file. With xllamacpp (or another library of llama.cpp, FALCONER_LIBLLAMA) also
                               the errors of llama.cpp's own quantiser."""
import ctypes
import hashlib
import json
import os
import pathlib
import sys

from lib.common import Checks, need

need("numpy", "gguf", "torch", "bitsandbytes", "safetensors")
import bitsandbytes  # noqa: F401  (its operators)
import numpy as np
import torch
from bitsandbytes.backends.default.ops import _dequantize_4bit_compute
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType
from gguf.quants import dequantize, quantize
from safetensors.torch import load_file, save_file

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "golden/bitsandbytes.safetensors"
GOLDEN = pathlib.Path(__file__).resolve().parent.parent / "golden/block_formats.json"
BLOCKS = 2048  # of each format, decoded
GROUPS = 640   # of 256 values, encoded
GGUF = ["q8_0", "q4_0", "q4_1", "q5_0", "q5_1", "q2_k", "q3_k", "q4_k", "q5_k", "q6_k", "iq4_nl", "iq4_xs", "mxfp4", "nvfp4",
        "tq1_0", "tq2_0", "iq1_s", "iq1_m", "iq2_xxs", "iq2_xs", "iq2_s", "iq3_xxs", "iq3_s"]
GGUF_WRITES = ["q8_0", "q4_0", "q4_1", "q5_0", "q5_1", "mxfp4"]
SEARCHED = ["q2_k", "q3_k", "q4_k", "q5_k", "q6_k", "iq4_nl"]
THEIRS = {"nf4": 36, "fp4": 36, "int8": 68}


def mixed(count, seed):
    """64 random bits for each number, by SplitMix64's last step."""
    with np.errstate(over="ignore"):
        z = (np.arange(count, dtype=np.uint64) + np.uint64(seed << 32)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def random_bytes(count, seed):
    return np.frombuffer(mixed((count + 7) // 8, seed).astype("<u8").tobytes(), dtype=np.uint8)[:count]


def bell(count, seed):
    """About normal, between -1 and 1; every number is whole over 2^17."""
    z = mixed(count, seed)
    parts = sum(((z >> np.uint64(16 * i)) & np.uint64(0xffff)).astype(np.int64) for i in range(4))
    return ((parts - 131070).astype(np.float32) / np.float32(1 << 17)).reshape(-1, 256)


def values():
    """Rows of 256: usual weights, and what is at the edges of formats."""
    x = bell(GROUPS * 256, 7)
    kind = np.arange(GROUPS) % 10
    x[kind <= 2] *= np.float32(2.0 ** -5)
    x[kind == 3] = 0
    x[kind == 4] = np.float32(-0.0)
    single = x[kind == 5, 77]
    x[kind == 5] = 0
    x[kind == 5, 77] = single
    x[kind == 6] = np.float32(0.375)
    x[kind == 7] *= np.float32(2.0 ** 10)
    x[kind == 8] = x[kind == 8] * x[kind == 8] * x[kind == 8]
    x[kind == 9] *= np.float32(2.0 ** -30)
    return x


def usual_values():
    """For the error of a search: normal, and with long tails, by turns."""
    x = bell(512 * 256, 11)
    x[1::2] = x[1::2] * x[1::2] * x[1::2]
    return x


def digest(array):
    array = np.ascontiguousarray(array)
    if array.dtype == np.float32:
        bits = array.view(np.uint32).copy()
        bits[np.isnan(array)] = 0x7fc00000
        array = bits
    return hashlib.sha256(array.tobytes()).hexdigest()


def of_halves(blocks):
    """32 bytes of Falconer's codes, code i in the low half of byte i and code i + 32 in the high one, in bitsandbytes'
    order, the first in the high half."""
    codes = np.concatenate([blocks & 15, blocks >> 4], axis=-1)
    return (codes[:, 0::2] << 4) | codes[:, 1::2]


def to_halves(packed):
    codes = np.stack([packed >> 4, packed & 15], axis=-1).reshape(len(packed), 64)
    return codes[:, :32] | (codes[:, 32:] << 4)


def decoded(name):
    if name in GGUF:
        kind = GGMLQuantizationType[name.upper()]
        blocks = random_bytes(BLOCKS * GGML_QUANT_SIZES[kind][1], 3).reshape(BLOCKS, -1)
        with np.errstate(all="ignore"):
            return dequantize(blocks, kind)
    blocks = random_bytes(BLOCKS * THEIRS[name], 3).reshape(BLOCKS, -1)
    scales = torch.from_numpy(blocks[:, :4].copy().view(np.float32).reshape(-1))
    if name == "int8":
        return torch.ops.bitsandbytes.int8_vectorwise_dequant(
            torch.from_numpy(blocks[:, 4:].copy().view(np.int8)), scales).numpy()
    codes = torch.from_numpy(of_halves(blocks[:, 4:]).reshape(-1, 1))
    return torch.ops.bitsandbytes.dequantize_4bit(codes, scales, 64, name, [BLOCKS, 64], torch.float32).numpy()


def encoded(name):
    x = values()
    if name in GGUF_WRITES:
        with np.errstate(all="ignore"):
            return quantize(x, GGMLQuantizationType[name.upper()])
    t = torch.from_numpy(x.copy())
    if name == "int8":
        codes, scales, _ = torch.ops.bitsandbytes.int8_vectorwise_quant(t.half())
        codes, scales = codes.numpy().view(np.uint8).reshape(-1, 64), np.repeat(scales.numpy(), 4)
        return np.concatenate([scales.reshape(-1, 1).view(np.uint8), codes], axis=1)
    packed, scales = torch.ops.bitsandbytes.quantize_4bit(t, 64, name, torch.uint8)
    return np.concatenate([scales.numpy().reshape(-1, 1).view(np.uint8), to_halves(packed.numpy().reshape(-1, 32))], axis=1)


def llama_error(library, name, x):
    """Root of the mean square of what llama.cpp's quantiser changes, over that of the values."""
    kind = GGMLQuantizationType[name.upper()]
    block, size = GGML_QUANT_SIZES[kind]
    out = np.zeros((len(x), 256 // block * size), dtype=np.uint8)
    x = np.ascontiguousarray(x)
    library.ggml_quantize_chunk.restype = ctypes.c_size_t
    library.ggml_quantize_chunk(ctypes.c_int(int(kind)), x.ctypes.data_as(ctypes.c_void_p), out.ctypes.data_as(ctypes.c_void_p),
                                ctypes.c_int64(0), ctypes.c_int64(len(x)), ctypes.c_int64(256), None)
    off = dequantize(out, kind).astype(np.float64) - x
    return float(np.sqrt((off ** 2).sum() / (x.astype(np.float64) ** 2).sum()))


def library_of_llama():
    path = os.environ.get("FALCONER_LIBLLAMA")
    if path is None:
        try:
            import xllamacpp
            path = next(pathlib.Path(xllamacpp.__file__).parent.glob("xllamacpp*.so"))
        except ImportError:
            return None
    return ctypes.CDLL(str(path))


def saved():
    """Tensors as a folder of bitsandbytes has them, and as "want.X" what they are worth."""
    tensors = {}
    for name, kind, block, nested, shape in (
            ("plain", "nf4", 64, False, (4, 192)), ("nested", "nf4", 64, True, (40, 448)), ("float", "fp4", 64, False, (4, 192)),
            ("float_nested", "fp4", 128, True, (6, 256)), ("wide", "nf4", 256, False, (3, 128)), ("ragged", "nf4", 64, True, (5, 72)),
            ("odd", "fp4", 64, False, (3, 65))):
        x = torch.from_numpy(bell(-(-shape[0] * shape[1] // 256) * 256, 31).reshape(-1)[:shape[0] * shape[1]].reshape(shape))
        packed, state = bitsandbytes.functional.quantize_4bit(x, blocksize=block, compress_statistics=nested, quant_type=kind)
        tensors[f"{name}.weight"] = packed
        tensors |= {f"{name}.weight.{key}": value for key, value in state.as_dict(packed=True).items()}
        # Blocks run over the flattened matrix: the quantiser's, and those of its code for any device. Its kernel for AVX512
        # takes other scales where rows are no whole blocks of 128 or more.
        scales = state.absmax
        if nested:
            scales = bitsandbytes.functional.dequantize_blockwise(state.absmax, state.state2) + state.offset
        want = _dequantize_4bit_compute(packed.reshape(-1), scales, state.code, block, shape, torch.float32)
        if block == 64 or shape[1] % block == 0:
            assert torch.equal(want, bitsandbytes.functional.dequantize_4bit(packed, state))
        tensors[f"want.{name}"] = want
    for name, shape in (("rows", (3, 128)), ("ragged_rows", (3, 40))):
        x = torch.from_numpy(bell(512, 37).reshape(-1)[:shape[0] * shape[1]].reshape(shape)).half()
        codes, scales, _ = torch.ops.bitsandbytes.int8_vectorwise_quant(x)
        tensors |= {f"{name}.weight": codes, f"{name}.SCB": scales, f"{name}.weight_format": torch.tensor(0, dtype=torch.uint8)}
        tensors[f"want.{name}"] = torch.ops.bitsandbytes.int8_vectorwise_dequant(codes, scales)
    return {name: value.contiguous() for name, value in tensors.items()}


def computed():
    made = {}
    for name in GGUF + list(THEIRS):
        made[name] = {"decode": digest(decoded(name))}
        if name in GGUF_WRITES or name in THEIRS:
            made[name]["encode"] = digest(encoded(name))
    library = library_of_llama()
    if library is not None:
        x = usual_values()
        for name in SEARCHED:
            made[name]["error"] = [round(llama_error(library, name, x[i::2]), 7) for i in (0, 1)]
    return made


if "--write" in sys.argv:
    GOLDEN.write_text(json.dumps(computed(), indent=1) + "\n")
    save_file(saved(), FOLDER)
    sys.exit(0)

checks = Checks(__doc__)
golden = json.loads(GOLDEN.read_text())
for name, one in computed().items():
    for what, value in one.items():
        good = golden[name].get(what) == value
        checks.check(f"{name}, {what}", good, "" if good else f"{value}, and the golden has {golden[name].get(what)}")
before = load_file(FOLDER)
for name, value in saved().items():
    same = name in before and value.dtype == before[name].dtype and torch.equal(value, before[name])
    checks.check(f"as bitsandbytes saves it: {name}", same)
checks.finish()
