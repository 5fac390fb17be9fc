#!/usr/bin/env python3
"""Full finetuning by two ranks against one, and against PyTorch's own way, FSDP2 with gloo: in turns, on this machine.

  bench/ranks.py --python VENV/bin/python --checkpoint DIR --rows ROWS.jsonl [--program build/falconer] [--rounds 2]

VENV holds torch and transformers. ROWS has {"input_ids", "labels"}; every side takes the same rows in the same order, in
f32 with AdamW. Each of the two ranks, theirs and ours, has one thread; one rank has two. Prints tokens/s (the best step
after the first), the largest rank's peak memory and the losses of each side, and the ratios. Ends with 1 where losses
disagree.
"""
import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time

HERE = os.path.abspath(__file__)
LR, DECAY = 1e-5, 0.01


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--program", default="build/falconer")
    p.add_argument("--python", required=True)
    p.add_argument("--checkpoint", required=True)
    p.add_argument("--rows", required=True)
    p.add_argument("--steps", type=int, default=3)
    p.add_argument("--batch-size", type=int, default=8)
    p.add_argument("--ranks", type=int, default=2)
    p.add_argument("--rounds", type=int, default=1)
    p.add_argument("--shard", default="all,optimizer", help="of ours, one after the other")
    p.add_argument("--sides", default="theirs,one,ranks")
    return p.parse_args()


def peer(checkpoint, rows, steps, batch_size):
    """One rank of torch's; started by torchrun."""
    import torch
    import torch.distributed as dist
    from torch.distributed.fsdp import fully_shard
    from transformers import AutoModelForCausalLM

    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    rank, size = dist.get_rank(), dist.get_world_size()
    model = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32, attn_implementation="sdpa")
    for layer in model.get_decoder().h:
        fully_shard(layer)
    fully_shard(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LR, weight_decay=DECAY)
    data = [json.loads(line) for line in open(rows)]
    rates, losses = [], []
    for step in range(steps):
        batch = data[step * batch_size:(step + 1) * batch_size]
        targets = sum(sum(label != -100 for label in r["labels"][1:]) for r in batch)
        mine = batch[rank * len(batch) // size:(rank + 1) * len(batch) // size]
        dist.barrier()
        start = time.perf_counter()
        n = max(len(r["input_ids"]) for r in mine)
        ids = torch.tensor([r["input_ids"] + [11] * (n - len(r["input_ids"])) for r in mine])
        mask = torch.tensor([[1] * len(r["input_ids"]) + [0] * (n - len(r["input_ids"])) for r in mine])
        labels = torch.tensor([r["labels"] + [-100] * (n - len(r["labels"])) for r in mine])
        logits = model(input_ids=ids, attention_mask=mask).logits
        loss = torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1).float(), labels[:, 1:].flatten(),
                                                 ignore_index=-100, reduction="sum") / targets
        (loss * size).backward()  # FSDP takes the mean of the ranks
        optimizer.step()
        optimizer.zero_grad()
        dist.barrier()
        rates.append(sum(len(r["input_ids"]) for r in batch) / (time.perf_counter() - start))
        total = loss.detach().clone()
        dist.all_reduce(total)
        losses.append(total.item())
    peak = torch.tensor([resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024], dtype=torch.float64)
    dist.all_reduce(peak, op=dist.ReduceOp.MAX)
    if rank == 0:
        print(json.dumps(dict(tokens_per_second=max(rates[1:] or rates), losses=losses, peak_rss_bytes=peak.item())))
    dist.destroy_process_group()


def theirs(a):
    out = subprocess.run([a.python, "-m", "torch.distributed.run", "--nproc-per-node", str(a.ranks), "--master-port", "29533",
                          HERE, "--peer", a.checkpoint, a.rows, str(a.steps), str(a.batch_size)],
                         env=dict(os.environ, OMP_NUM_THREADS="1"), check=True, stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL)
    return json.loads(out.stdout.decode().strip().splitlines()[-1])


def ours(a, ranks, shard):
    with tempfile.TemporaryDirectory() as out:
        command = [a.program, "finetune", "full", "--checkpoint", a.checkpoint, "--data", a.rows, "--out", out,
                   "--precision", "f32", "--lr", str(LR), "--weight-decay", str(DECAY), "--schedule", "constant",
                   "--warmup-steps", "0", "--grad-clip", "0", "--no-shuffle", "--max-steps", str(a.steps), "--batch-size",
                   str(a.batch_size), "--micro-batch-size", str(a.batch_size // 2), "--save-every", "off", "--test-size", "0",
                   "--overwrite"]
        command += ["--ranks", str(ranks), "--shard", shard] if ranks > 1 else ["--threads", "2"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        rows = [json.loads(line) for line in open(os.path.join(out, "metrics.jsonl"))]
    rows = [r for r in rows if "loss" in r]
    return dict(tokens_per_second=max(r["tokens_per_second"] for r in (rows[1:] or rows)),
                losses=[r["loss"] for r in rows], peak_rss_bytes=max(r["peak_rss_bytes"] for r in rows))


def best(runs):
    return dict(tokens_per_second=max(r["tokens_per_second"] for r in runs), losses=runs[0]["losses"],
                peak_rss_bytes=min(r["peak_rss_bytes"] for r in runs))


def main():
    a = arguments()
    sides = {}
    if "theirs" in a.sides:
        sides[f"FSDP2, gloo, {a.ranks} x 1 thread"] = lambda: theirs(a)
    if "one" in a.sides:
        sides["falconer, one rank, 2 threads"] = lambda: ours(a, 1, "")
    if "ranks" in a.sides:
        for shard in a.shard.split(","):
            sides[f"falconer, {a.ranks} ranks x 1 thread, --shard {shard}"] = lambda shard=shard: ours(a, a.ranks, shard)
    runs = {name: [] for name in sides}
    for _ in range(a.rounds):
        for name, run in sides.items():
            runs[name].append(run())
    results = {name: best(of) for name, of in runs.items()}
    first = next(iter(results.values()))
    for name, r in results.items():
        print(f"{name:48} {r['tokens_per_second']:7.1f} tokens/s ({r['tokens_per_second'] / first['tokens_per_second']:.2f})"
              f" {r['peak_rss_bytes'] / 1e9:6.2f} GB a rank ({r['peak_rss_bytes'] / first['peak_rss_bytes']:.2f})"
              f"  losses {[round(x, 4) for x in r['losses']]}")
    losses = [r["losses"] for r in results.values()]
    if any(abs(x - y) > 2e-3 for other in losses[1:] for x, y in zip(other, losses[0])):
        sys.exit("the losses disagree")


if len(sys.argv) > 1 and sys.argv[1] == "--peer":
    peer(sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
else:
    main()
