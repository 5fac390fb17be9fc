#!/usr/bin/env python3
"""Every family in the other programs' files: GGUF, LitGPT's folder, and a Hugging Face folder made of either. transformers,
LitGPT and llama.cpp, as far as they are installed, compute with them what Falconer does; what one cannot hold is refused."""
import importlib
import importlib.util
import json
import logging
import os
import shutil
import warnings

from lib.common import Checks, largest, need, random_rows

need("torch", "transformers", "safetensors", "yaml")
import torch
import transformers
import yaml

from families import LLAMA, SHAPES, made, rope

logging.disable(logging.WARNING)
warnings.simplefilter("ignore")
BOUND = 2e-4
# ggml's GELU comes out of a table in f16 (gguf_models.py).
BOUND_TABLE = 2e-2
LITGPT = importlib.util.find_spec("litgpt") is not None and importlib.util.find_spec("lightning") is not None
LLAMA_CPP = importlib.util.find_spec("llama_cpp") is not None
MORE = {
    "gemma2, as llama.cpp has it": ("Gemma2", dict(LLAMA, head_dim=12, query_pre_attn_scalar=12, sliding_window=4,
                                                   attn_logit_softcapping=2.0, final_logit_softcapping=6.0)),
    "gemma3, as llama.cpp has it": ("Gemma3Text", dict(
        LLAMA, num_hidden_layers=6, head_dim=12, query_pre_attn_scalar=12, sliding_window=4,
        layer_types=["sliding_attention"] * 5 + ["full_attention"],
        rope_parameters={"sliding_attention": {"rope_type": "default", "rope_theta": 1000.0},
                         "full_attention": {"rope_type": "linear", "rope_theta": 50000.0, "factor": 8.0}})),
    "llama, one key": ("Llama", dict(LLAMA, num_key_value_heads=1)),
    "mistral, biased by nothing, linear": ("Mistral", dict(LLAMA, sliding_window=None, **rope("linear", factor=4.0))),
}
# What is refused, and what the message names.
NO_GGUF = {
    "falcon_h1, biases": "biases",
    "gpt_neox, sequential": "gpt_neox", "llama, a key for each head, GELU": "activation",
    "llama, one key, GELU by tanh": "activation", "llama, dynamic": "dynamic", "llama, yarn with all of it": "yarn",
    "qwen2, windows above the first layer": "windows", "qwen3, biases": "biases", "gemma2": "query_pre_attn_scalar",
    "gemma2, no caps": "query_pre_attn_scalar", "gemma3": "query_pre_attn_scalar", "olmo2, biases": "biases",
    "cohere, a head of its own": "head", "starcoder2, no biases": "biases"}
NO_LITGPT = {
    "falcon_h1": "family", "falcon_h1, no norm, tied": "family", "falcon_h1, one group and a norm": "family",
    "falcon_h1, two groups, no norm": "family", "falcon_h1, biases": "family", "falcon_h1, no factors": "family",
    "llama, a key for each head, GELU": "activation", "llama, one key, GELU by tanh": "activation",
    "llama, dynamic": "positions", "llama, yarn": "positions", "llama, yarn with all of it": "positions",
    "phi3, short of the original context": "positions", "phi3, beyond it": "positions", "qwen3, biases": "biases",
    "olmo2, biases": "biases", "cohere": "family", "cohere, a head of its own": "family", "starcoder2": "family",
    "starcoder2, no biases": "family"}
# Windows that llama.cpp leaves out: rows within them.
SHORT = {"mistral, a window": 5, "phi3": 6, "starcoder2": 5}
# llama.cpp takes longrope's long factors by the size of its context, 256 at least, and not by the sequence.
BY_CONTEXT = ("phi3, short of the original context",)


def folder_of(c, number, kind, settings):
    """A model with the small tokenizer; its name tells llama.cpp nothing."""
    folder = c.folder / f"m{number}"
    made(kind, dict(settings, vocab_size=512), 7 + number).save_pretrained(folder)
    for path in (c.goldens / "tokenizer_tiny").glob("*.json"):
        if path.name.startswith(("tokenizer", "special")):
            shutil.copy(path, folder)
    return folder


def by_transformers(folder, rows):
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    with torch.no_grad():
        return [model(torch.tensor([row])).logits[0].numpy() for row in rows]


def open_pth(path):
    return torch.load(path, weights_only=True, mmap=True, map_location="cpu")


def by_litgpt(base, rows, method=None, adapter=None):
    """LitGPT's logits of a folder of its own, with an adapter's file and the settings of its class."""
    module = importlib.import_module("litgpt" + (f".{method}" if method else ""))
    said = {}
    if method == "lora":
        text = (adapter / "hyperparameters.yaml").read_text()
        said = {k: v for k, v in yaml.safe_load(text).items() if k.startswith("lora_")}
    elif method:
        record = json.loads((adapter.parent / f"{adapter.name}-settings.json").read_text())
        said = {"adapter_prompt_length": record["adapter_length"], "adapter_start_layer": record["adapter_start_layer"]}
    gpt = module.GPT(module.Config.from_file(base / "model_config.yaml", **said))
    weights = {k: v.clone().float() for k, v in open_pth(base / "lit_model.pth").items()}
    if method:
        own = set(gpt.state_dict())
        weights = {k if k in own else k.rpartition(".")[0] + ".linear." + k.rpartition(".")[2]: v for k, v in weights.items()}
        weights.update({k: v.clone().float() for k, v in open_pth(adapter / f"lit_model.pth.{method}").items()})
    gpt.load_state_dict(weights, strict=True)
    gpt.eval()
    with torch.no_grad():
        return [gpt(torch.tensor([row]))[0].numpy() for row in rows]


def prompts_by_parts():
    """litgpt 0.5.13 takes the prompt's fused product apart group by group, although its rows are all queries, all keys, all
    values; both are the same where there is one group. Here by parts, as the rest of its attention has it."""
    from litgpt import adapter
    from litgpt.model import CausalSelfAttention

    def attention(self, q, k, v, mask=None):
        c = self.config
        y = CausalSelfAttention.scaled_dot_product_attention(self, q, k, v, mask)
        if self.block_idx < c.adapter_start_layer:
            return y
        rows = self.qkv(self.adapter_wte.weight.reshape(1, c.adapter_prompt_length, c.n_embd))
        sizes = [c.n_head * c.head_size] + [c.n_query_groups * c.head_size] * 2
        _, ak, av = (t.view(1, c.adapter_prompt_length, -1, c.head_size).transpose(1, 2) for t in rows.split(sizes, -1))
        ak, av = (t.repeat_interleave(c.n_head // c.n_query_groups, 1) for t in (ak, av))
        every = torch.ones(q.size(2), c.adapter_prompt_length, dtype=torch.bool)
        return y + self.gating_factor * CausalSelfAttention.scaled_dot_product_attention(self, q, ak, av, every)

    adapter.CausalSelfAttention.scaled_dot_product_attention = attention


def table(kind):
    return kind.startswith(("Gemma", "Starcoder")) or kind == "Falcon"


def gguf(c, name, kind, folder, ours, rows):
    path, back = folder.with_suffix(".gguf"), folder.with_name(folder.name + "-gguf-hf")
    words = ["export", "--checkpoint", folder, "--format", "gguf", "--out", path]
    if name in NO_GGUF:
        return c.refused(f"{name}: refused as GGUF, by name", words, "llama.cpp", NO_GGUF[name])
    c.run(*words)
    # A Falcon-H1's factors are in its weights there.
    c.close(f"{name}: a GGUF gives the same here", largest(c.logits(path, rows), ours), BOUND if kind == "FalconH1" else 2e-5)
    c.run("export", "--checkpoint", path, "--format", "hf", "--out", back)
    c.close(f"{name}: of a GGUF, transformers has the same", largest(by_transformers(back, rows), ours), BOUND)
    if not LLAMA_CPP or name in BY_CONTEXT:
        return
    from lib.llama import Llama

    few = [row[:SHORT.get(name, 99)] for row in rows]
    expected = [o[:len(row)] for o, row in zip(ours, few)]
    c.close(f"{name}: llama.cpp has the same", largest(Llama(path).logits(few), expected), BOUND_TABLE if table(kind) else BOUND)
    if name in SHORT:
        return
    targets = "all-linear" if not kind.startswith("Gemma") else "q,k,o,down"
    adapter = c.train("lora", folder, folder.with_name(folder.name + "-lora"), "--lora-targets", targets, "--lora-alpha", 9)
    lora = folder.with_name(folder.name + "-lora.gguf")
    c.run("export", "--checkpoint", folder, "--adapter", adapter, "--format", "gguf-lora", "--out", lora)
    c.close(f"{name}: llama.cpp has the same with a LoRA", largest(Llama(path).logits(rows, lora), c.logits(folder, rows, adapter)),
            BOUND_TABLE if table(kind) else BOUND)


def litgpt(c, name, kind, folder, ours, rows):
    lit, back = folder.with_name(folder.name + "-lit"), folder.with_name(folder.name + "-lit-hf")
    words = ["export", "--checkpoint", folder, "--format", "litgpt", "--out", lit]
    if name in NO_LITGPT:
        return c.refused(f"{name}: refused for LitGPT, by name", words, "LitGPT", NO_LITGPT[name])
    c.run(*words)
    c.close(f"{name}: LitGPT's folder gives the same here", largest(c.logits(lit, rows), ours), 2e-5)
    c.run("export", "--checkpoint", lit, "--format", "hf", "--out", back)
    c.close(f"{name}: of LitGPT's folder, transformers has the same", largest(by_transformers(back, rows), ours), BOUND)
    if LITGPT:
        c.close(f"{name}: LitGPT has the same", largest(by_litgpt(lit, rows), ours), BOUND)
    for method, flags in (("lora", ("--lora-targets", "all-linear,head", "--lora-alpha", 9)),
                          ("adapter", ("--adapter-start-layer", 1)), ("adapter_v2", ("--adapter-start-layer", 1))):
        own = method.replace("_", "-")
        adapter = c.train(own, folder, folder.with_name(f"{folder.name}-{own}-run"), *flags)
        out = folder.with_name(f"{folder.name}-lit-{own}")
        c.run("export", "--checkpoint", folder, "--adapter", adapter, "--format", "litgpt", "--out", out)
        shutil.copy(adapter / "adapter_config.json", out.parent / f"{out.name}-settings.json")
        expected = c.logits(folder, rows, adapter)
        c.close(f"{name}: {own} in LitGPT's files gives the same here", largest(c.logits(folder, rows, out), expected), 2e-5)
        if LITGPT:
            c.close(f"{name}: LitGPT has the same with {own}", largest(by_litgpt(lit, rows, method, out), expected), BOUND)


def main():
    c = Checks(__doc__)
    rows = random_rows(2, 20, 512, seed=2)
    if LITGPT:
        prompts_by_parts()
    chosen = os.environ.get("FAMILY_FILES", "")  # a part of the names of those that are run
    for number, (name, (kind, settings)) in enumerate({**SHAPES, **MORE}.items()):
        if chosen not in name:
            continue
        if kind == "GPTNeoX" and not settings.get("attention_bias", True):
            continue
        folder = folder_of(c, number, kind, settings)
        ours = c.logits(folder, rows)
        gguf(c, name, kind, folder, ours, rows)
        litgpt(c, name, kind, folder, ours, rows)
        for path in c.folder.glob(f"m{number}*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    if not LITGPT:
        c.skip("LitGPT's own classes", "the package litgpt is not installed")
    if not LLAMA_CPP:
        c.skip("llama.cpp", "the package llama-cpp-python is not installed")
    c.finish()


if __name__ == "__main__":
    main()
