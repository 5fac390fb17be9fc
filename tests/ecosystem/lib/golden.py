"""What transformers computes with a model, in the form of tests/golden: logits, losses, gradients, steps of AdamW and
greedy answers of made rows."""
import torch
import transformers

VERSIONS = {"torch": torch.__version__.split("+")[0], "transformers": transformers.__version__}
TRAIN = {"lr": 0.001, "betas": [0.9, 0.95], "eps": 1e-08, "weight_decay": 0.1}


def loss_of(logits, labels):
    return torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), ignore_index=-100)


def batch(stream, rows, length, vocab, padded):
    """Token ids, labels of a part of each row, and the mask of what is no padding."""
    ids = torch.randint(12, vocab, (rows, length), generator=stream)
    labels, mask = ids.clone(), torch.ones_like(ids)
    for i in range(rows if padded else 0):
        labels[i, :2 + 2 * i] = -100
        end = length - 6 * i
        ids[i, end:], labels[i, end:], mask[i, end:] = 11, -100, 0
    return ids, labels, mask


@torch.no_grad()
def answer(model, prompt, count):
    """Greedy tokens, end of text or not, and the least that decided about one of them."""
    ids, gap = list(prompt), float("inf")
    for _ in range(count):
        best = model(torch.tensor([ids])).logits[0, -1].topk(2)
        gap = min(gap, float(best.values[0] - best.values[1]))
        ids.append(int(best.indices[0]))
    return ids[len(prompt):], gap


def golden_of(model, seed):
    """The tensors and facts of a golden."""
    vocab, stream = model.config.vocab_size, torch.Generator().manual_seed(seed)
    tensors, facts = {}, {"made_with": VERSIONS, "gradients": {"batch": "b1"}, "generation": []}
    for name, rows, length in (("b0", 2, 20), ("b1", 3, 20), ("b2", 1, 1), ("b3", 1, 44)):
        ids, labels, mask = batch(stream, rows, length, vocab, name == "b1")
        logits = model(ids, attention_mask=mask).logits
        tensors.update({f"{name}.input_ids": ids, f"{name}.logits": logits})
        if length > 1:
            tensors.update({f"{name}.labels": labels, f"{name}.loss": loss_of(logits, labels)})
        if name == "b1":
            tensors["b1.attention_mask"] = mask
            model.zero_grad()
            loss_of(logits, labels).backward()
            tensors.update({f"grad.{n}": p.grad.clone() for n, p in model.named_parameters()})
    for length in (3, 16, 11):
        prompt = torch.randint(12, vocab, (length,), generator=stream).tolist()
        new, gap = answer(model, prompt, 32)
        facts["generation"].append({"prompt_ids": prompt, "new_ids": new, "min_top2_gap": gap})
    train = [batch(stream, 3, 20, vocab, True) for _ in range(5)]
    for part, values in zip(("input_ids", "labels", "attention_mask"), zip(*train)):
        tensors[f"train.{part}"] = torch.stack(values)
    optimizer, losses = torch.optim.AdamW(model.parameters(), **TRAIN), []
    for ids, labels, mask in train:
        optimizer.zero_grad()
        loss = loss_of(model(ids, attention_mask=mask).logits, labels)
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    after = loss_of(model(tensors["b1.input_ids"], attention_mask=tensors["b1.attention_mask"]).logits,
                    tensors["b1.labels"])
    tensors["train.losses"] = torch.tensor(losses)
    facts["train"] = {"optimizer": "torch.optim.AdamW", "hyperparameters": TRAIN,
                      "losses_before_each_step": losses, "loss_on_b1_after_5_steps": float(after.detach())}
    return {n: t.detach().contiguous() for n, t in tensors.items()}, facts
