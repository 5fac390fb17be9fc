#!/usr/bin/env python3
"""The numbers built into selftest are those of transformers and torch: loss, logits, greedy ids, and three steps of AdamW."""
import json

from lib.common import Checks, need

need("torch", "transformers")
import torch
import transformers

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()
SEED, VOCABULARY = 8, 101
MODEL = {"model_type": "falcon", "architectures": ["FalconForCausalLM"], "vocab_size": VOCABULARY, "hidden_size": 48,
         "num_hidden_layers": 2, "num_attention_heads": 3, "multi_query": True, "parallel_attn": True,
         "new_decoder_architecture": False, "alibi": False, "bias": False, "layer_norm_epsilon": 1e-5,
         "max_position_embeddings": 64, "initializer_range": 0.15, "bos_token_id": 0, "eos_token_id": 0,
         "tie_word_embeddings": True, "torch_dtype": "float32"}


def philox(counter, key):
    """Philox4x32-10, as src/base/random.h has it."""
    c, k = list(counter), list(key)
    for _ in range(10):
        a, b = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(b >> 32) ^ c[1] ^ k[0], b & 0xFFFFFFFF, (a >> 32) ^ c[3] ^ k[1], a & 0xFFFFFFFF]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return c


def word(which, i):
    test = 6  # RandomPurpose::kTest
    return philox((i // 4, 0, which, 0), (SEED, test << 24))[i % 4]


def random_ids(which, count):
    return [1 + ((word(which, 2 * i) << 32 | word(which, 2 * i + 1)) * (VOCABULARY - 1) >> 64) for i in range(count)]


def signed_sums(values):
    sums = [0.0] * 4
    for i, value in enumerate(values):
        signs = word(9, i)
        for k in range(4):
            sums[k] += value if signs >> k & 1 else -value
    return sums


def make_model(c):
    """The weights that the seed gives, by a run that does not move them."""
    folder = c.folder / "model"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(MODEL))
    rows = c.folder / "rows.jsonl"
    rows.write_text(json.dumps({"input_ids": [1, 2, 3]}) + "\n")
    c.run("finetune", "full", "--from-scratch", "--checkpoint", folder, "--data", rows, "--out", c.folder / "run", "--lr", 0,
          "--weight-decay", 0, "--max-steps", 1, "--seed", SEED, "--precision", "f32")
    return transformers.AutoModelForCausalLM.from_pretrained(c.folder / "run" / "final", dtype=torch.float64,
                                                             attn_implementation="eager")


def train(model, rows, labels):
    """Losses and gradient norms of three steps, as selftest makes them."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.05, betas=(0.9, 0.999), eps=1e-2, weight_decay=0.1)
    losses, norms = [], []
    for _ in range(3):
        optimizer.zero_grad()
        loss = mean_loss(model, rows, labels)
        loss.backward()
        losses.append(loss.item())
        norms.append(sum(float((p.grad ** 2).sum()) for p in model.parameters()) ** 0.5)
        optimizer.step()
    return losses, norms


def mean_loss(model, rows, labels):
    total, count = 0, 0
    for row, label in zip(rows, labels):
        logits, wanted = model(torch.tensor([row])).logits[0, :-1], torch.tensor(label[1:])
        total = total + torch.nn.functional.cross_entropy(logits, wanted, ignore_index=-100, reduction="sum")
        count += int((wanted != -100).sum())
    return total / count


def main():
    c = Checks(__doc__)
    model = make_model(c)
    rows = [random_ids(0, 13), random_ids(1, 9)]
    labels = [[-100] * 5 + row[5:] for row in rows]
    theirs = {}
    with torch.no_grad():
        theirs["loss"] = [mean_loss(model, rows, labels).item()]
        logits = torch.cat([model(torch.tensor([row])).logits[0] for row in rows]).flatten().tolist()
        theirs["last logits"], theirs["sums of logits"] = logits[-8:], signed_sums(logits)
        ids = random_ids(2, 7)
        for _ in range(12):
            ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))
        theirs["greedy ids"] = ids[7:]
    theirs["full: losses"], theirs["full: gradient norms"] = train(model, rows, labels)
    ours = {numbers["name"]: numbers["values"] for numbers in json.loads(c.run("selftest", "--numbers"))["f32"]}
    for name, values in theirs.items():
        scale = max(abs(value) for value in values)
        off = max(abs(a - b) for a, b in zip(values, ours[name], strict=True)) / scale
        c.close(f"{name}, as a share of {scale:.3g}", off, 0 if name == "greedy ids" else 1e-5)
    c.finish()


main()
