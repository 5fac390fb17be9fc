#!/usr/bin/env python3
"""Decode and prefill of a checkpoint beside llama.cpp and reading memory, in turns on one machine.

  bench/decode.py CHECKPOINT [--gguf FILE] [--tokens 32] [--prompt 128] [--adapter DIR ...]

FILE is the same checkpoint as bf16, from llama.cpp's convert_hf_to_gguf.py. Needs numpy for the
bandwidth and llama-cpp-python for llama.cpp; what is missing is skipped and said so.
"""
import argparse
import json
import os
import subprocess
import sys
import threading
import time


def falconer(args, prompt, adapter=None, tokens=None):
    """(prefill, decode) in tokens a second."""
    command = [args.program, "--threads", str(args.threads), "generate", "--checkpoint", args.checkpoint,
               "--prompt-ids", ",".join(map(str, prompt)), "--max-new-tokens", str(tokens or args.tokens),
               "--temperature", "0", "--ignore-eos", "--json"]
    if adapter:
        command += ["--adapter", adapter]
    out = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout
    row = json.loads(out)
    return row["prefill_tokens_per_second"], row["decode_tokens_per_second"]


class LlamaCpp:
    """Its low-level interface: no sampling and no text in the timing."""

    def __init__(self, args):
        import llama_cpp
        self.api, self.args = llama_cpp, args
        self.quiet = llama_cpp.llama_log_callback(lambda *_: None)  # must outlive the model
        llama_cpp.llama_log_set(self.quiet, None)
        llama_cpp.llama_backend_init()
        self.model = llama_cpp.llama_model_load_from_file(
            args.gguf.encode(), llama_cpp.llama_model_default_params())
        if not self.model:
            sys.exit(f"{args.gguf}: llama.cpp cannot read it")

    def run(self, prompt):
        params = self.api.llama_context_default_params()
        params.n_ctx, params.n_batch, params.n_ubatch = len(prompt) + self.args.tokens + 8, 512, 512
        params.n_threads = params.n_threads_batch = self.args.threads
        context = self.api.llama_init_from_model(self.model, params)
        times = []
        for ids in [prompt] + [[t % 60000 + 12] for t in range(self.args.tokens)]:
            tokens = (self.api.llama_token * len(ids))(*ids)  # a batch only points to it
            start = time.perf_counter()
            if self.api.llama_decode(context, self.api.llama_batch_get_one(tokens, len(ids))) != 0:
                sys.exit("llama.cpp failed")
            self.api.llama_get_logits_ith(context, -1)[0]
            times.append(time.perf_counter() - start)
        self.api.llama_free(context)
        return len(prompt) / times[0], self.args.tokens / sum(times[1:])


def read_gb_per_second(threads, megabytes=512):
    """Every thread sums its own part of a large array: what memory gives when it is only read."""
    import numpy
    data = numpy.ones(megabytes * 131072, dtype=numpy.int64)
    parts = numpy.array_split(data, threads)
    best = 0
    for _ in range(4):
        start = time.perf_counter()
        workers = [threading.Thread(target=numpy.bitwise_or.reduce, args=(p,)) for p in parts]
        [w.start() for w in workers]
        [w.join() for w in workers]
        best = max(best, data.nbytes / (time.perf_counter() - start) / 1e9)
    return best


def weight_bytes(checkpoint):
    files = [f for f in os.listdir(checkpoint) if f.endswith((".safetensors", ".bin"))]
    return sum(os.path.getsize(os.path.join(checkpoint, f)) for f in files)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("checkpoint")
    p.add_argument("--gguf")
    p.add_argument("--adapter", action="append", default=[])
    p.add_argument("--program", default="build/falconer")
    p.add_argument("--tokens", type=int, default=32)
    p.add_argument("--prompt", type=int, default=128)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    args = p.parse_args()
    prompt = [(7919 * i) % 60000 + 12 for i in range(args.prompt)]
    runs = {"falconer": lambda: falconer(args, prompt)}
    for adapter in args.adapter:
        runs["with " + adapter] = lambda adapter=adapter: falconer(args, prompt, adapter)
    try:
        if args.gguf is None:
            raise ImportError("no --gguf was given")
        llama = LlamaCpp(args)
        runs["llama.cpp"] = lambda: llama.run(prompt)
    except ImportError as missing:
        print(f"llama.cpp: skipped ({missing})")
    best = {name: (0, 0) for name in runs}
    for _ in range(args.rounds):  # in turns: all see the same machine
        for name, run in runs.items():
            best[name] = tuple(map(max, best[name], run()))
    print(f"{'':32} {'prefill/s':>10} {'ratio':>6} {'decode/s':>10} {'ratio':>6}")
    for name, (prefill, decode) in best.items():
        base = best["falconer"]
        print(f"{name[-32:]:32} {prefill:10.1f} {prefill / base[0]:6.3f} {decode:10.3f} {decode / base[1]:6.3f}")
    try:
        gigabytes = weight_bytes(args.checkpoint) / 1e9
        bandwidth = read_gb_per_second(args.threads)
        rate = best["falconer"][1] * gigabytes
        print(f"weights read in decode: {rate:.1f} GB/s, memory gives {bandwidth:.1f} GB/s: {rate / bandwidth:.0%}")
    except ImportError as missing:
        print(f"bandwidth: skipped ({missing})")


main()
