#!/usr/bin/env python3
"""Every family against transformers: small models of every shape that a family's config.json can have, made here with random
weights, and their logits, losses, gradients, steps of AdamW and greedy answers."""
import importlib.machinery
import importlib.util
import json
import os
import pathlib
import tempfile

from lib.common import Checks, need

need("torch", "transformers", "safetensors")
import torch
import transformers
from safetensors.torch import save_file

from lib.golden import golden_of

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()
torch.set_num_threads(1)
SMALL = dict(vocab_size=96, hidden_size=40, num_hidden_layers=2, num_attention_heads=4, max_position_embeddings=128,
             bos_token_id=11, eos_token_id=11, pad_token_id=None)
LLAMA = dict(SMALL, intermediate_size=72, num_key_value_heads=2)
LONG = dict(rope_type="longrope", rope_theta=10000.0, short_factor=[1.0, 1.5, 2.0, 2.5, 3.0],
            long_factor=[1.2, 2.0, 4.0, 8.0, 16.0])


H1 = dict(LLAMA, mamba_n_heads=6, mamba_d_head=8, mamba_d_ssm=48, mamba_d_state=8, mamba_n_groups=1, mamba_d_conv=4,
          mamba_chunk_size=16, mamba_norm_before_gate=False, mamba_rms_norm=False, tie_word_embeddings=False,
          embedding_multiplier=2.5, lm_head_multiplier=0.7, key_multiplier=0.6, attention_in_multiplier=1.3,
          attention_out_multiplier=0.8, ssm_in_multiplier=1.25, ssm_out_multiplier=0.9, mlp_multipliers=[0.85, 1.1],
          ssm_multipliers=[0.7, 1.2, 0.8, 1.4, 0.6])


def rope(kind, **settings):
    return dict(rope_parameters=dict(rope_type=kind, rope_theta=10000.0, **settings))


# Name: class of transformers, settings, whose names are those of its config.
SHAPES = {
    "falcon, 11B's": ("Falcon", dict(SMALL, new_decoder_architecture=True, num_kv_heads=2, num_ln_in_parallel_attn=1,
                                     parallel_attn=True, bias=False, alibi=False, tie_word_embeddings=False)),
    "falcon_h1": ("FalconH1", dict(H1, mamba_n_groups=2, mamba_rms_norm=True)),
    "falcon_h1, no norm, tied": ("FalconH1", dict(H1, tie_word_embeddings=True)),
    "falcon_h1, one group and a norm": ("FalconH1", dict(H1, mamba_rms_norm=True, head_dim=16, mamba_conv_bias=False)),
    "falcon_h1, two groups, no norm": ("FalconH1", dict(H1, mamba_n_groups=2, mamba_d_ssm=None, mamba_d_head="auto",
                                                        mamba_n_heads=10, mamba_d_conv=3)),
    "falcon_h1, biases": ("FalconH1", dict(H1, attention_bias=True, mlp_bias=True, mamba_proj_bias=True,
                                           projectors_bias=True)),
    "falcon_h1, no factors": ("FalconH1", {k: v for k, v in H1.items() if "multiplier" not in k}),
    "gpt_neox, sequential": ("GPTNeoX", dict(SMALL, intermediate_size=72, use_parallel_residual=False,
                                             **rope("default", partial_rotary_factor=0.4))),
    "llama": ("Llama", dict(LLAMA, head_dim=16)),
    "llama, biases, tied": ("Llama", dict(LLAMA, attention_bias=True, mlp_bias=True, tie_word_embeddings=True)),
    "llama, a key for each head, GELU": ("Llama", dict(LLAMA, num_key_value_heads=4, hidden_act="gelu")),
    "llama, one key, GELU by tanh": ("Llama", dict(LLAMA, num_key_value_heads=1, hidden_act="gelu_pytorch_tanh")),
    "llama, linear": ("Llama", dict(LLAMA, **rope("linear", factor=4.0))),
    "llama, dynamic": ("Llama", dict(LLAMA, **rope("dynamic", factor=2.0))),
    "llama, llama3": ("Llama", dict(LLAMA, **rope("llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                                                  original_max_position_embeddings=32))),
    "llama, yarn": ("Llama", dict(LLAMA, **rope("yarn", factor=4.0, original_max_position_embeddings=32))),
    "llama, yarn with all of it": ("Llama", dict(LLAMA, **rope("yarn", factor=4.0, original_max_position_embeddings=32,
                                                               mscale=0.7, mscale_all_dim=1.3, beta_fast=16, beta_slow=2,
                                                               truncate=False))),
    "mistral, no window": ("Mistral", dict(LLAMA, sliding_window=None)),
    "mistral, a window": ("Mistral", dict(LLAMA, sliding_window=5, head_dim=12)),
    "qwen2": ("Qwen2", dict(LLAMA)),
    "qwen2, windows above the first layer": ("Qwen2", dict(LLAMA, use_sliding_window=True, sliding_window=6,
                                                           max_window_layers=1, tie_word_embeddings=True)),
    "qwen3": ("Qwen3", dict(LLAMA, head_dim=12)),
    "qwen3, biases": ("Qwen3", dict(LLAMA, head_dim=12, attention_bias=True, use_sliding_window=True, sliding_window=7,
                                    layer_types=["sliding_attention", "full_attention"])),
    "phi3": ("Phi3", dict(LLAMA, sliding_window=6, **rope("default", partial_rotary_factor=0.4))),
    "phi3, short of the original context": ("Phi3", dict(LLAMA, original_max_position_embeddings=64, rope_parameters=LONG)),
    "phi3, beyond it": ("Phi3", dict(LLAMA, original_max_position_embeddings=2, rope_parameters=LONG)),
    "gemma": ("Gemma", dict(LLAMA, head_dim=12, num_key_value_heads=1)),
    "gemma2": ("Gemma2", dict(LLAMA, head_dim=12, query_pre_attn_scalar=20, sliding_window=4, attn_logit_softcapping=2.0,
                              final_logit_softcapping=6.0)),
    "gemma2, no caps": ("Gemma2", dict(LLAMA, head_dim=12, attn_logit_softcapping=None, final_logit_softcapping=None)),
    "gemma3": ("Gemma3Text", dict(LLAMA, head_dim=12, query_pre_attn_scalar=20, sliding_window=4,
                                  layer_types=["sliding_attention", "full_attention"],
                                  rope_parameters={"sliding_attention": {"rope_type": "default", "rope_theta": 1000.0},
                                                   "full_attention": {"rope_type": "linear", "rope_theta": 50000.0,
                                                                      "factor": 8.0}})),
    "olmo2": ("Olmo2", dict(LLAMA)),
    "olmo2, biases": ("Olmo2", dict(LLAMA, attention_bias=True, num_key_value_heads=4)),
    "cohere": ("Cohere", dict(LLAMA, logit_scale=0.3)),
    "cohere, a head of its own": ("Cohere", dict(LLAMA, logit_scale=2.0, tie_word_embeddings=False)),
    "stablelm": ("StableLm", dict(LLAMA)),
    "stablelm, parallel": ("StableLm", dict(LLAMA, use_parallel_residual=True, use_qkv_bias=True,
                                            **rope("default", partial_rotary_factor=0.4))),
    "starcoder2": ("Starcoder2", dict(LLAMA, sliding_window=5)),
    "starcoder2, no biases": ("Starcoder2", dict(LLAMA, use_bias=False, tie_word_embeddings=False)),
}
# Norms that multiply by 1 + w.
OFFSET = {"Gemma", "Gemma2", "Gemma3Text"}


def made(kind, settings, seed):
    """A model with random weights: what a block adds outweighs what it is added to, and logits differ by some units."""
    config = getattr(transformers, kind + "Config")(**settings)
    config._attn_implementation = "eager"
    model = getattr(transformers, kind.removesuffix("Text") + "ForCausalLM")(config).float().eval()
    stream = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            noise = torch.randn(p.shape, generator=stream)
            if p.dim() == 2:
                p.copy_(noise * (0.5 if "embed" in name else 1.5 * p.shape[1] ** -0.5))
            else:
                p.copy_(0.2 * noise + (name.endswith("weight") and kind not in OFFSET))
    return model


def make(folder, name, kind, settings):
    for seed in range(1, 40):
        model = made(kind, settings, seed)
        model.save_pretrained(folder / "models" / name)
        tensors, facts = golden_of(model, 1000 + seed)
        if all(g["min_top2_gap"] > 0.01 for g in facts["generation"]):
            break
    (folder / "goldens" / name).mkdir(parents=True)
    save_file(tensors, folder / "goldens" / name / "golden.safetensors")
    (folder / "goldens" / name / "golden.json").write_text(json.dumps({"model": name, "weights_seed": seed, **facts}))


def acceptance(folder):
    """The checks of tests/golden/acceptance, on other numbers."""
    os.environ["FALCONER_REFERENCE"] = str(folder)
    path = pathlib.Path(__file__).resolve().parent.parent / "golden" / "acceptance"
    loader = importlib.machinery.SourceFileLoader("acceptance", str(path))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("acceptance", loader))
    loader.exec_module(module)
    return module


def main():
    c = Checks(__doc__)
    checks = acceptance(c.folder)
    for name, (kind, settings) in SHAPES.items():
        make(c.folder, name, kind, settings)
        for what, check in checks.of_model(name):
            with tempfile.TemporaryDirectory() as folder:
                try:
                    check(checks.Program(c.program, folder))
                    c.check(what.removeprefix("models/"), True)
                except checks.Wrong as error:
                    c.check(what.removeprefix("models/"), False, error)
    c.finish()


if __name__ == "__main__":
    main()
