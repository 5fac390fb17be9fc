#!/usr/bin/env python3
"""falconer quantize beside llama.cpp's own quantiser (in the wheel of llama-cpp-py-sync): under every name each tensor has the same
type, for Falcon and LLaMA in shapes that whole blocks fit and that they do not; and what llama.cpp unpacks of our files is
what we unpack."""
import ctypes
import pathlib

from lib.common import Checks, need

need("numpy", "gguf", "torch", "transformers", "llama_cpp_py_sync")
import gguf
import llama_cpp_py_sync
import numpy as np
import torch
from transformers import FalconConfig, FalconForCausalLM, LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

checks = Checks(__doc__)
# llama_ftype
NAMES = {"q4_0": 2, "q4_1": 3, "q8_0": 7, "q5_0": 8, "q5_1": 9, "q2_k": 10, "q3_k_s": 11, "q3_k_m": 12, "q3_k_l": 13,
         "q4_k_s": 14, "q4_k_m": 15, "q5_k_s": 16, "q5_k_m": 17, "q6_k": 18, "iq4_nl": 25}


class Params(ctypes.Structure):  # the begin of llama_model_quantize_params, and room for the rest
    _fields_ = [("nthread", ctypes.c_int32), ("ftype", ctypes.c_int32), ("output_type", ctypes.c_int32),
                ("embedding_type", ctypes.c_int32), ("allow_requantize", ctypes.c_bool), ("rest", ctypes.c_byte * 239)]


library = ctypes.CDLL(str(pathlib.Path(llama_cpp_py_sync.__file__).parent / "libllama.so"))
library.llama_model_quantize_default_params.restype = Params
library.llama_model_quantize.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.POINTER(Params)]
library.llama_backend_init()
quiet = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)(lambda level, text, data: None)
library.llama_log_set(quiet, None)


def quantised_there(source, target, ftype):
    params = library.llama_model_quantize_default_params()
    params.nthread, params.ftype, params.allow_requantize = 2, ftype, True
    return library.llama_model_quantize(str(source).encode(), str(target).encode(), ctypes.byref(params))


def types_in(path):
    return {tensor.name: tensor.tensor_type.name for tensor in gguf.GGUFReader(path).tensors}


def falcon(layers, width, heads, groups):
    new = {"new_decoder_architecture": True, "num_kv_heads": groups} if groups > 1 else {"multi_query": True}
    return FalconForCausalLM(FalconConfig(vocab_size=640, hidden_size=width, num_hidden_layers=layers, num_attention_heads=heads, **new))


def llama(layers, width, heads, groups, tied=False, kind=(LlamaConfig, LlamaForCausalLM)):
    return kind[1](kind[0](vocab_size=640, hidden_size=width, intermediate_size=256, num_hidden_layers=layers, num_attention_heads=heads,
                           num_key_value_heads=groups, tie_word_embeddings=tied))


MODELS = {
    "falcon-7b's kind": falcon(32, 64, 4, 1),
    "falcon in whole blocks": falcon(16, 256, 4, 1),
    "falcon-40b's kind": falcon(9, 256, 8, 4),
    "llama": llama(32, 256, 4, 4),
    "llama with groups": llama(9, 256, 8, 2),
    "llama of 80 layers": llama(80, 256, 8, 1),
    "llama with a tied head": llama(4, 256, 4, 4, True),
    "llama, rows that are no whole blocks": llama(8, 96, 4, 2),
    "qwen2 of 80 layers": llama(80, 256, 8, 1, True, (Qwen2Config, Qwen2ForCausalLM)),
}
tokenizer = pathlib.Path(__file__).resolve().parents[2] / "demo/checkpoint"
for name, model in MODELS.items():
    folder, source = checks.folder / "model", checks.folder / "source.gguf"
    model.save_pretrained(folder)
    for file in ("tokenizer.json", "tokenizer_config.json"):
        (folder / file).write_text((tokenizer / file).read_text())
    checks.run("export", "--checkpoint", folder, "--format", "gguf", "--dtype", "f32", "--out", source, "--overwrite")
    wrong = {}
    for mix, ftype in NAMES.items():
        ours, theirs = checks.folder / "ours.gguf", checks.folder / "theirs.gguf"
        checks.run("quantize", "--checkpoint", folder, "--format", mix.upper(), "--out", ours, "--overwrite")
        assert quantised_there(source, theirs, ftype) == 0
        a, b = types_in(ours), types_in(theirs)
        wrong |= {f"{mix} {key}": (a.get(key), b.get(key)) for key in a.keys() | b.keys() if a.get(key) != b.get(key)}
        if int(gguf.GGUFReader(ours).get_field("general.file_type").contents()) != ftype:
            wrong[mix] = "file_type"
    checks.check(f"{name}: the types of llama.cpp under {len(NAMES)} names", not wrong, dict(list(wrong.items())[:8]) or "")
    plain, back = checks.folder / "plain.gguf", checks.folder / "back"
    for mix in ("q4_k_m", "q2_k", "q3_k_l"):
        ours = checks.folder / f"{mix}.gguf"
        checks.run("quantize", "--checkpoint", folder, "--format", mix, "--out", ours, "--overwrite")
        assert quantised_there(ours, plain, 0) == 0
        checks.run("export", "--checkpoint", ours, "--format", "gguf", "--dtype", "f32", "--out", back, "--overwrite")
        mine = {tensor.name: tensor.data for tensor in gguf.GGUFReader(back).tensors}
        same = all(np.array_equal(tensor.data, mine[tensor.name]) for tensor in gguf.GGUFReader(plain).tensors)
        checks.check(f"{name}: llama.cpp unpacks {mix} to the same numbers", same)
checks.finish()
