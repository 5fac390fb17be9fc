#!/usr/bin/env python3
"""LoRA on Falcon-H1's shapes beside transformers and PEFT: the same random weights, rows and steps, in turns, on this machine.

  bench/falcon_h1.py --python VENV/bin/python [--program build/falconer] [--layers 4] [--rounds 2] [--lengths 256,2048]
                     [--own-lengths 4096,8192,16384] [--precision f32]

VENV holds torch, transformers and peft. Every matrix that PEFT allows is adapted (out_proj is not). Prints for each length
the best tokens/s and the peak memory of both, and ours over theirs; lengths that only we run, last. Ends with an error where
losses differ: a fast wrong answer counts for nothing."""
import argparse
import json
import os
import subprocess
import sys
import tempfile

HERE = os.path.abspath(__file__)
TARGETS = "in_proj,q_proj,k_proj,v_proj,o_proj,gate_proj,up_proj,down_proj"
# Falcon-H1-0.5B's config.json, but for the layers.
SHAPE = dict(vocab_size=32784, hidden_size=1024, intermediate_size=2048, num_attention_heads=8, num_key_value_heads=2,
             head_dim=64, mamba_d_ssm=1536, mamba_n_heads=24, mamba_d_head=64, mamba_d_state=128, mamba_n_groups=1,
             mamba_d_conv=4, mamba_chunk_size=128, mamba_norm_before_gate=False, mamba_rms_norm=False,
             max_position_embeddings=16384, tie_word_embeddings=False, bos_token_id=1, eos_token_id=11, pad_token_id=None,
             embedding_multiplier=5.656854249492381, lm_head_multiplier=0.0390625, key_multiplier=0.04419417382415922,
             attention_in_multiplier=1.0, attention_out_multiplier=0.9375, ssm_in_multiplier=1.25,
             ssm_out_multiplier=0.23570226039551587, mlp_multipliers=[0.8838834764831844, 0.5859375],
             ssm_multipliers=[0.3535533905932738, 0.25, 0.3535533905932738, 0.5, 0.3535533905932738])
THREADS = 2


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--python", required=True)
    p.add_argument("--program", default="build/falconer")
    p.add_argument("--layers", type=int, default=4)
    p.add_argument("--rounds", type=int, default=2)
    p.add_argument("--steps", type=int, default=4)
    p.add_argument("--lengths", default="256,2048")
    p.add_argument("--own-lengths", default="")
    p.add_argument("--precision", choices=["f32", "bf16"], default="f32")
    p.add_argument("--do", choices=["make", "train"], help=argparse.SUPPRESS)
    p.add_argument("--folder", help=argparse.SUPPRESS)
    p.add_argument("--rows", help=argparse.SUPPRESS)
    return p.parse_args()


def make(a):
    import torch
    import transformers
    torch.manual_seed(1)
    config = transformers.FalconH1Config(num_hidden_layers=a.layers, **SHAPE,
                                         rope_parameters=dict(rope_type="default", rope_theta=1e11))
    model = transformers.FalconH1ForCausalLM(config)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if p.dim() == 2:
                p.copy_(torch.randn(p.shape) * p.shape[1] ** -0.5 * (3 if "embed" in name else 1))
    model.to(dict(f32=torch.float32, bf16=torch.bfloat16)[a.precision]).save_pretrained(a.folder)


def train(a):
    """As a user of PEFT would."""
    import resource
    import time
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM
    torch.set_num_threads(THREADS)
    dtype = dict(f32=torch.float32, bf16=torch.bfloat16)[a.precision]
    model = AutoModelForCausalLM.from_pretrained(a.folder, dtype=dtype, attn_implementation="sdpa")
    model = get_peft_model(model, LoraConfig(r=8, lora_alpha=16, lora_dropout=0.0, target_modules=TARGETS.split(",")))
    optimizer = torch.optim.AdamW([q for q in model.parameters() if q.requires_grad], lr=3e-4, weight_decay=0.01)
    rates, losses = [], []
    for line in open(a.rows):
        ids = torch.tensor([json.loads(line)["input_ids"]])
        start = time.perf_counter()
        logits = model(input_ids=ids).logits
        loss = torch.nn.functional.cross_entropy(logits[0, :-1].float(), ids[0, 1:])
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
        rates.append(ids.numel() / (time.perf_counter() - start))
    print(json.dumps(dict(rate=max(rates[1:]), losses=losses, peak=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)))


def theirs(a, folder, rows):
    out = subprocess.run([a.python, HERE, "--python", "", "--do", "train", "--folder", folder, "--rows", rows, "--precision",
                          a.precision], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return json.loads(out.stdout.decode().strip().splitlines()[-1])


def ours(a, folder, rows):
    with tempfile.TemporaryDirectory() as out:
        subprocess.run([a.program, "--threads", str(THREADS), "finetune", "lora", "--checkpoint", folder, "--data", rows, "--out",
                        out, "--precision", a.precision, "--lora-targets", TARGETS, "--lora-r", "8", "--lora-alpha", "16",
                        "--lora-dropout", "0", "--lr", "3e-4", "--weight-decay", "0.01", "--schedule", "constant",
                        "--warmup-steps", "0", "--grad-clip", "0", "--no-shuffle", "--test-size", "0", "--max-seq-length",
                        "16384", "--batch-size", "1", "--micro-batch-size", "1", "--max-steps", str(a.steps), "--overwrite"],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        lines = [json.loads(line) for line in open(os.path.join(out, "metrics.jsonl"))]
    lines = [line for line in lines if "loss" in line]
    return dict(rate=max(line["tokens_per_second"] for line in lines[1:]), losses=[line["loss"] for line in lines],
                peak=max(line["peak_rss_bytes"] for line in lines))


def best(runs):
    return dict(rate=max(r["rate"] for r in runs), peak=min(r["peak"] for r in runs), losses=runs[0]["losses"])


def write_rows(path, length, steps):
    state = 12345
    with open(path, "w") as file:
        for _ in range(steps):
            ids = []
            for _ in range(length):
                state = state * 48271 % 2147483647
                ids.append(20 + state % 32000)
            file.write(json.dumps(dict(input_ids=ids, labels=ids)) + "\n")


def main():
    a = arguments()
    if a.do:
        return make(a) if a.do == "make" else train(a)
    with tempfile.TemporaryDirectory() as folder:
        model, rows = os.path.join(folder, "model"), os.path.join(folder, "rows.jsonl")
        subprocess.run([a.python, HERE, "--python", "", "--do", "make", "--folder", model, "--layers", str(a.layers),
                        "--precision", a.precision], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for length in map(int, a.lengths.split(",")):
            write_rows(rows, length, a.steps)
            both = [(theirs(a, model, rows), ours(a, model, rows)) for _ in range(a.rounds)]
            peer, own = best([b[0] for b in both]), best([b[1] for b in both])
            print(f"{length:6} tokens: transformers and PEFT {peer['rate']:8.1f} tokens/s {peer['peak'] / 1e9:6.2f} GB,"
                  f" Falconer {own['rate']:8.1f} {own['peak'] / 1e9:6.2f}: {own['rate'] / peer['rate']:.2f} times,"
                  f" {own['peak'] / peer['peak']:.2f} of the memory", flush=True)
            if abs(peer["losses"][0] - own["losses"][0]) > (2e-2 if a.precision == "bf16" else 1e-3):
                sys.exit(f"the first losses differ: {peer['losses'][0]} and {own['losses'][0]}")
        for length in map(int, filter(None, a.own_lengths.split(","))):
            write_rows(rows, length, a.steps)
            own = best([ours(a, model, rows) for _ in range(a.rounds)])
            print(f"{length:6} tokens: Falconer {own['rate']:8.1f} tokens/s {own['peak'] / 1e9:6.2f} GB", flush=True)


main()
