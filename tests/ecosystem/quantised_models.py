#!/usr/bin/env python3
"""Models that others quantised, read by falconer: LLaMA folders that transformers saved with bitsandbytes in 4 and 8 bits,
and GGUF files in every type that `gguf` writes. Scores are compared with those of the same weights, unpacked by the program
that they come from; matrices with what it unpacks, bit by bit. And such folders that falconer writes, loaded by transformers."""
import json
import shutil

from lib.common import Checks, largest, need, random_rows

need("numpy", "gguf", "torch", "bitsandbytes", "transformers", "safetensors")
import bitsandbytes  # noqa: F401
import gguf
import numpy as np
import torch
from safetensors.numpy import load_file
from transformers import AutoModelForCausalLM, BitsAndBytesConfig, LlamaConfig, LlamaForCausalLM

checks = Checks(__doc__)
BOUND = 2e-4  # as in gguf_models.py
ROWS = random_rows(3, 12, 320, seed=5)


def made(name, **settings):
    torch.manual_seed(7)
    config = LlamaConfig(vocab_size=320, hidden_size=128, intermediate_size=320, num_hidden_layers=2, num_attention_heads=4,
                         num_key_value_heads=2, max_position_embeddings=64, initializer_range=0.1, **settings)
    folder = checks.folder / name
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def plain_logits(folder):
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    with torch.no_grad():
        return [model(torch.tensor([row])).logits[0].numpy() for row in ROWS]


def unpacked(model, folder, source):
    """The model with what bitsandbytes makes of its weights, as an ordinary folder."""
    weights = {}
    for name, module in model.named_modules():
        if isinstance(module, bitsandbytes.nn.Linear4bit):
            weights[name + ".weight"] = bitsandbytes.functional.dequantize_4bit(module.weight.data, module.weight.quant_state).float()
        elif isinstance(module, bitsandbytes.nn.Linear8bitLt):
            weights[name + ".weight"] = torch.ops.bitsandbytes.int8_vectorwise_dequant(module.weight.data, module.weight.SCB).float()
    plain = LlamaForCausalLM.from_pretrained(source, dtype=torch.float32)
    missing = plain.load_state_dict(weights, strict=False)
    assert not missing.unexpected_keys
    plain.save_pretrained(folder)
    return weights


def codes(module):
    """What bitsandbytes unpacks of a layer; an ordinary one's weights."""
    if isinstance(module, bitsandbytes.nn.Linear4bit):
        return bitsandbytes.functional.dequantize_4bit(module.weight.data, module.weight.quant_state).float()
    if isinstance(module, bitsandbytes.nn.Linear8bitLt):
        return torch.ops.bitsandbytes.int8_vectorwise_dequant(module.weight.data, module.weight.SCB).float()
    return module.weight.data.float()


def same_folder(name, theirs, flags):
    """falconer quantize writes what transformers saved, and transformers loads it."""
    ours = checks.folder / f"{name}-ours"
    checks.run("quantize", "--checkpoint", source, "--format", name.split("-")[0], "--out", ours, *flags)
    a, b = load_file(theirs / "model.safetensors"), load_file(ours / "model.safetensors")
    differ = [key for key in a if ".quant_state." not in key and (a[key].shape != b[key].shape or not np.array_equal(a[key], b[key]))]
    # The mean of all scales, and numbers between two of the 256, are rounded by another order of sums.
    nested = [key for key in differ if ".nested_" in key and abs(a[key] - b[key]).max() < 1e-7]
    steps = [key for key in differ if key.endswith(".absmax") and abs(a[key].astype(int) - b[key]).max() <= 1 and
             (a[key] != b[key]).mean() < 0.05]
    left = sorted(set(differ) - set(nested) - set(steps)) if "double" in name else differ
    checks.check(f"{name}: falconer writes the same tensors", a.keys() == b.keys() and not left, left or "")
    states = all(json.loads(bytes(a[key])).keys() == json.loads(bytes(b[key])).keys() for key in a if ".quant_state." in key)
    settings = [json.loads((folder / "config.json").read_text())["quantization_config"] for folder in (theirs, ours)]
    settings[0] = {key: value for key, value in settings[0].items() if not key.startswith("_")}
    checks.check(f"{name}: the same states and settings", states and settings[0] == settings[1], "" if settings[0] == settings[1] else settings)
    loaded = AutoModelForCausalLM.from_pretrained(ours, dtype=torch.float32)
    there = dict(AutoModelForCausalLM.from_pretrained(theirs, dtype=torch.float32).named_modules())
    layers = [(module, there[key]) for key, module in loaded.named_modules() if isinstance(module, torch.nn.Linear)]
    off = max(float((codes(x) - codes(y)).abs().max()) for x, y in layers)
    checks.close(f"{name}: transformers loads it, {len(layers)} layers", off, 5e-3 if "double" in name else 0)


source = made("llama")
for name, settings in (("nf4", {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}),
                       ("nf4-double", {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": True}),
                       ("fp4", {"load_in_4bit": True, "bnb_4bit_quant_type": "fp4"}),
                       ("int8", {"load_in_8bit": True})):
    settings = settings | ({"bnb_4bit_compute_dtype": torch.float32} if "load_in_4bit" in settings else {})
    model = AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32, quantization_config=BitsAndBytesConfig(**settings))
    folder, plain = checks.folder / name, checks.folder / f"{name}-plain"
    model.save_pretrained(folder)
    weights = unpacked(model, plain, source)
    checks.check(f"{name}: transformers quantised its layers", len(weights) == 14, len(weights))
    out = checks.folder / f"{name}-out"
    checks.run("export", "--checkpoint", folder, "--format", "hf", "--dtype", "f32", "--out", out)
    ours = load_file(out / "model.safetensors")
    same = all(np.array_equal(ours[key].view(np.uint32), value.numpy().view(np.uint32)) for key, value in weights.items())
    checks.check(f"{name}: every weight has bitsandbytes' bits", same)
    checks.close(f"{name}: logits, as transformers' of the unpacked model", largest(checks.logits(folder, ROWS), plain_logits(plain)), BOUND)
    # With gradients it unpacks weights of 4 bits; without, its product on CPUs with AVX512 is in bf16. In 8 bits what goes
    # into a layer is rounded as well.
    theirs = [model(torch.tensor([row])).logits[0].detach().float().numpy() for row in ROWS]
    checks.close(f"{name}: logits, as bitsandbytes'", largest(checks.logits(folder, ROWS), theirs), 0.5 if name == "int8" else BOUND)
    words = checks.run("inspect", "--checkpoint", folder)
    checks.check(f"{name}: inspect says so", name.split("-")[0] in words.lower())
    same_folder(name, folder, ["--double-quant"] if "double" in name else [])

# Rows that are no whole blocks stay as they are, and transformers is told so; shards.
torch.manual_seed(7)
narrow, out = checks.folder / "narrow", checks.folder / "narrow-nf4"
LlamaForCausalLM(LlamaConfig(vocab_size=320, hidden_size=96, intermediate_size=320, num_hidden_layers=2, num_attention_heads=4,
                             max_position_embeddings=64, initializer_range=0.1)).save_pretrained(narrow)
checks.run("quantize", "--checkpoint", narrow, "--format", "nf4", "--out", out, "--max-shard-size", "60KB")
model = AutoModelForCausalLM.from_pretrained(out, dtype=torch.float32)
kinds = {key.rsplit(".", 1)[1]: type(module).__name__ for key, module in model.named_modules() if isinstance(module, torch.nn.Linear) and "." in key}
checks.check("rows that are no whole blocks stay as they are", kinds["down_proj"] == "Linear4bit" and kinds["up_proj"] == "Linear", kinds)
theirs = [model(torch.tensor([row])).logits[0].detach().float().numpy() for row in ROWS]
checks.close("and score as there", largest(checks.logits(out, ROWS), theirs), BOUND)

# GGUF: f32 by falconer, its matrices of whole blocks quantised by gguf.
checks.run("export", "--checkpoint", checks.goldens / "models/falcon40b-tiny", "--format", "gguf", "--dtype", "f32", "--out",
           checks.folder / "f32.gguf")
reader = gguf.GGUFReader(checks.folder / "f32.gguf")
for kind in ("Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "MXFP4"):
    number = gguf.GGMLQuantizationType[kind]
    path, plain = checks.folder / f"{kind}.gguf", checks.folder / f"{kind}-plain.gguf"
    for target, packs in ((path, True), (plain, False)):
        writer = gguf.GGUFWriter(target, "falcon")
        for field in reader.fields.values():
            if field.name.startswith("GGUF.") or field.name == "general.architecture":
                continue
            sub = field.types[-1] if field.types[0] == gguf.GGUFValueType.ARRAY else None
            writer.add_key_value(field.name, field.contents(), field.types[0], sub_type=sub)
        for tensor in reader.tensors:
            data = tensor.data.reshape([int(n) for n in reversed(tensor.shape)])
            if data.ndim < 2 or data.shape[1] % 32:
                writer.add_tensor(tensor.name, data)
                continue
            packed = gguf.quants.quantize(data, number)
            if packs:
                writer.add_tensor(tensor.name, packed, raw_dtype=number)
            else:
                writer.add_tensor(tensor.name, gguf.quants.dequantize(packed, number))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
    count = sum(tensor.tensor_type == number for tensor in gguf.GGUFReader(path).tensors)
    checks.check(f"{kind}: scores of {count} matrices as gguf's own unpacking of it does",
                 largest(checks.logits(path, ROWS), checks.logits(plain, ROWS)) == 0)

# The tensors say what is quantised, and config.json does not.
bad = checks.folder / "bad"
shutil.copytree(checks.folder / "nf4", bad)
(bad / "config.json").write_text(json.dumps(json.loads((bad / "config.json").read_text()) | {"quantization_config": None}))
checks.close("what config.json says of quantisation changes nothing", largest(checks.logits(bad, ROWS), checks.logits(checks.folder / "nf4", ROWS)), 0)
checks.finish()
