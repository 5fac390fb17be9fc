#!/usr/bin/env python3
"""QLoRA against PEFT + bitsandbytes on a CPU: LoRA on a LLaMA whose layers are NF4, quantised as it is opened and read from
a folder that transformers saved. Both train on the same rows in the same order, from the same adapter, in f32; losses of
20 steps, the adapter in PEFT on the same folder."""
import json

from lib.common import Checks, largest, need, random_rows

need("torch", "bitsandbytes", "peft", "transformers", "safetensors")
import bitsandbytes  # noqa: F401
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM, BitsAndBytesConfig, LlamaConfig, LlamaForCausalLM

checks = Checks(__doc__)
STEPS, ROWS, LR = 20, random_rows(8, 14, 320, seed=11), 2e-3

torch.manual_seed(3)
config = LlamaConfig(vocab_size=320, hidden_size=128, intermediate_size=320, num_hidden_layers=2, num_attention_heads=4,
                     num_key_value_heads=2, max_position_embeddings=64, initializer_range=0.1)
source = checks.folder / "llama"
LlamaForCausalLM(config).save_pretrained(source)
data = checks.folder / "rows.jsonl"
data.write_text("".join(json.dumps({"input_ids": row, "labels": row}) + "\n" for row in ROWS))


def quantised(folder, **settings):
    nf4 = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.float32, **settings)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, quantization_config=nf4)
    model.enable_input_require_grads()  # without gradients bitsandbytes computes in bf16 on CPUs with AVX512
    return model


def losses_of_peft(model):
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=LR, weight_decay=0.01)
    ids, losses = torch.tensor(ROWS), []
    for _ in range(STEPS):
        loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses


def ours(checkpoint, adapter, out, *flags):
    checks.run("finetune", "lora", "--checkpoint", checkpoint, "--init-adapter", adapter, "--data", data, "--test-size", 0, "--out", out,
               "--max-steps", STEPS, "--batch-size", len(ROWS), "--micro-batch-size", len(ROWS), "--lr", LR, "--weight-decay", 0.01,
               "--grad-clip", 0, "--schedule", "constant", "--warmup-steps", 0, "--no-shuffle", "--precision", "f32", "--save-every", "off",
               *flags)
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [row["loss"] for row in rows if "loss" in row]


for name, settings in (("nf4", {}), ("nf4-double", {"bnb_4bit_use_double_quant": True})):
    base = quantised(source, **settings)
    folder = checks.folder / name
    base.save_pretrained(folder)
    torch.manual_seed(5)
    model = get_peft_model(base, LoraConfig(r=4, lora_alpha=8, lora_dropout=0.0, target_modules=["q_proj", "v_proj", "down_proj"],
                                            task_type="CAUSAL_LM"))
    for key, value in model.named_parameters():  # B is not 0: the first step moves A as well
        if "lora_B" in key:
            torch.nn.init.normal_(value, std=0.02)
    start = checks.folder / f"{name}-start"
    model.save_pretrained(start)
    theirs = losses_of_peft(model)
    runs = {"read from the folder": ours(folder, start, checks.folder / f"{name}-out")}
    if not settings:
        runs["quantised as it is opened"] = ours(source, start, checks.folder / f"{name}-opened", "--quantize", "nf4")
    for what, losses in runs.items():
        worst = max(abs(a - b) / b for a, b in zip(losses, theirs))
        checks.check(f"{name}, {what}: {STEPS} losses", len(losses) == STEPS)
        checks.close(f"{name}, {what}: losses, as PEFT's with bitsandbytes ({theirs[0]:.4f} to {theirs[-1]:.4f})", worst, 1e-5)
    again = PeftModel.from_pretrained(quantised(source, **settings), checks.folder / f"{name}-out" / "final", is_trainable=True)
    expected = [again(torch.tensor([row])).logits[0].detach().numpy() for row in ROWS]
    found = checks.logits(folder, ROWS, adapter=checks.folder / f"{name}-out" / "final")
    checks.close(f"{name}: logits of the adapter in PEFT", largest(found, expected), 1e-4)
checks.finish()
