#!/usr/bin/env python3
"""Falcon-H1 where families.py's short rows do not reach: rows around the lengths of chunks, packed beside each other, ten
steps of training, answers beyond a page, and LoRA on every matrix of the state space mixer, out_proj among them, which
PEFT refuses."""
import json

from lib.common import Checks, need, random_rows

need("torch", "transformers", "peft", "safetensors")
import peft
import torch
import transformers
from safetensors.torch import load_file

from families import H1, made
from lib.golden import answer, loss_of

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()
torch.set_num_threads(1)
MODELS = {"no norm, tied": dict(H1, tie_word_embeddings=True),
          "a norm, two groups": dict(H1, mamba_n_groups=2, mamba_rms_norm=True, head_dim=16)}
LENGTHS = (1, 2, 15, 17, 63, 64, 65, 100, 127, 128, 129, 200)
SETTINGS = dict(max_position_embeddings=512)


def off(a, b):
    """The largest difference over the largest value."""
    return float((a - b).abs().max() / b.abs().max())


def train(c, model, out, rows, method, *flags, steps=1):
    data = c.folder / "rows.jsonl"
    data.write_text("".join(json.dumps({"input_ids": r, "labels": r}) + "\n" for r in rows))
    per_step = len(rows) // steps
    c.run("finetune", method, "--checkpoint", model, "--data", data, "--out", out, "--precision", "f32", "--no-shuffle",
          "--schedule", "constant", "--warmup-steps", 0, "--grad-clip", 0, "--batch-size", per_step, "--micro-batch-size",
          per_step, "--max-steps", steps, "--seed", 1, "--test-size", 0, "--overwrite", *flags)
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [line["loss"] for line in lines if "loss" in line]


def step_loss(model, rows):
    """The mean over all tokens of rows that are not padded, but one by one."""
    total, count = 0, 0
    for row in rows:
        ids = torch.tensor([row])
        if len(row) > 1:
            total = total + loss_of(model(ids).logits, ids) * (len(row) - 1)
            count += len(row) - 1
    return total / count


def check_lengths(c, name, folder, model):
    rows = [random_rows(1, n, 96, n)[0] for n in LENGTHS]
    for length, row, got in zip(LENGTHS, rows, c.logits(folder, rows)):
        with torch.no_grad():
            want = model(torch.tensor([row])).logits[0]
        c.close(f"{name}: logits of {length} tokens", off(torch.from_numpy(got), want), 3e-5)


def check_gradients(c, name, folder, model):
    rows = [random_rows(1, n, 96, 7 + n)[0] for n in (70, 1, 65, 129, 64)]
    model.zero_grad()
    loss = step_loss(model, rows)
    loss.backward()
    losses = train(c, folder, c.folder / "sgd", rows, "full", "--optimizer", "sgd", "--lr", 1, "--weight-decay", 0)
    c.close(f"{name}: loss of packed rows", abs(losses[0] - float(loss.detach())), 2e-5 * float(loss.detach()))
    after, worst = load_file(c.folder / "sgd/final/model.safetensors"), 0.0
    for tensor, p in model.named_parameters():
        before = p.detach()
        rounding = 2.0 ** -22 * float(before.abs().max())
        error = float((before - after[tensor] - p.grad).abs().max()) - rounding - 1e-6
        worst = max(worst, error / max(float(p.grad.abs().max()), 1e-6))
    c.close(f"{name}: gradients of packed rows", worst, 1e-4)


def check_steps(c, name, folder, seed, kind_settings):
    rows, model = [random_rows(1, n, 96, 50 + n)[0] for n in range(40, 60)], made("FalconH1", kind_settings, seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.1)
    want = []
    for step in range(10):
        optimizer.zero_grad()
        loss = step_loss(model, rows[2 * step:2 * step + 2])
        loss.backward()
        optimizer.step()
        want.append(float(loss.detach()))
    got = train(c, folder, c.folder / "adamw", rows, "full", "--lr", 1e-3, "--beta1", 0.9, "--beta2", 0.95, "--eps", 1e-8,
                "--weight-decay", 0.1, steps=10)
    c.close(f"{name}: losses of ten steps", max(abs(a - b) / b for a, b in zip(got, want)), 1e-4)


def check_answers(c, name, folder, model):
    for length in (1, 30, 63, 64, 65, 150):
        for seed in range(1, 30):
            prompt = random_rows(1, length, 96, 100 * seed + length)[0]
            want, gap = answer(model, prompt, 70)
            if gap > 3e-3:
                break
        said = c.run("generate", "--checkpoint", folder, "--prompt-ids", ",".join(map(str, prompt)), "--max-new-tokens", 70,
                     "--temperature", 0, "--ignore-eos", "--json")
        got = json.loads(said.strip().splitlines()[-1])["ids"]
        c.check(f"{name}: 70 tokens after {length}", got == want, "" if got == want else f"{got} is not {want}")


def patterned(settings, what, module):
    return settings.get(f"{what}_pattern", {}).get(module, settings["lora_alpha" if what == "alpha" else "r"])


def with_deltas(model, adapter):
    """The model with an adapter's products added to its weights by hand."""
    settings = json.loads((adapter / "adapter_config.json").read_text())
    tensors = load_file(adapter / "adapter_model.safetensors")
    for key, a in tensors.items():
        if not key.endswith("lora_A.weight"):
            continue
        module = key.removeprefix("base_model.model.").removesuffix(".lora_A.weight")
        last = module.rsplit(".", 1)[1]
        scale = patterned(settings, "alpha", last) / patterned(settings, "rank", last)
        with torch.no_grad():
            model.get_submodule(module).weight += scale * tensors[key.replace("lora_A", "lora_B")] @ a
    return model


def check_lora(c, name, folder, settings, seed):
    rows = [random_rows(1, n, 96, 3 * n)[0] for n in (20, 70, 129)]
    everything = "q,k,v,o,gate,up,down"
    for targets in ("out_proj", "in_proj", "z,x,B,C,dt", "x,dt," + everything, "all-linear"):
        out = c.folder / "lora"
        train(c, folder, out, rows, "lora", "--lora-targets", targets, "--lora-dropout", 0, "--lr", 3e-2, steps=3)
        adapter, merged = out / "final", c.folder / "merged"
        by_hand = with_deltas(made("FalconH1", settings, seed), adapter)
        c.run("merge", "--checkpoint", folder, "--adapter", adapter, "--out", merged, "--overwrite")
        base, moved = made("FalconH1", settings, seed), 0
        loads = "out_proj" not in targets and targets != "all-linear"
        with_peft = peft.PeftModel.from_pretrained(made("FalconH1", settings, seed), adapter).eval() if loads else None
        for row, own, one in zip(rows, c.logits(folder, rows, adapter), c.logits(merged, rows)):
            with torch.no_grad():
                ids = torch.tensor([row])
                want = by_hand(ids).logits[0]
                moved = max(moved, off(want, base(ids).logits[0]))
                c.close(f"{name}: LoRA on {targets}, beside the delta by hand", off(torch.from_numpy(own), want), 3e-5)
                c.close(f"{name}: LoRA on {targets}, merged", off(torch.from_numpy(one), want), 3e-5)
                if loads:
                    c.close(f"{name}: LoRA on {targets}, in PEFT", off(torch.from_numpy(own), with_peft(ids).logits[0]), 3e-5)
        c.check(f"{name}: LoRA on {targets} has learned", moved > 0.01, f"{moved:.2g}")


def main():
    c = Checks(__doc__)
    for seed, (name, settings) in enumerate(MODELS.items(), 1):
        settings = dict(settings, **SETTINGS)
        model, folder = made("FalconH1", settings, seed), c.folder / name.replace(" ", "-")
        model.save_pretrained(folder)
        check_lengths(c, name, folder, model)
        check_gradients(c, name, folder, model)
        check_steps(c, name, folder, seed, settings)
        check_answers(c, name, folder, model)
        check_lora(c, name, folder, settings, seed)
    c.finish()


if __name__ == "__main__":
    main()
