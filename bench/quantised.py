#!/usr/bin/env python3
"""Answers of quantised models beside llama.cpp and ik_llama.cpp: in turns, on this machine.

  bench/quantised.py --python VENV/bin/python FILE.gguf... [--program build/falconer] [--rounds 2] [--prompt 256]

VENV holds xllamacpp and ik-llama-cpp-python (either may be missing). Every side reads the same prompt of token ids and
answers with as many tokens, on two threads. Prints the best tokens/s of each for the prompt and for the answer, and ours
over the better of theirs.
"""
import argparse
import json
import os
import subprocess
import time

HERE = os.path.abspath(__file__)
THREADS = 2


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("files", nargs="+")
    p.add_argument("--python", required=True)
    p.add_argument("--program", default="build/falconer")
    p.add_argument("--rounds", type=int, default=2)
    p.add_argument("--prompt", type=int, default=256)
    p.add_argument("--new-tokens", type=int, default=32)
    p.add_argument("--sides", default="falconer,llama.cpp,ik_llama.cpp")
    return p.parse_args()


def prompt_ids(count):
    return [(7 * i) % 50000 + 20 for i in range(count)]


def ours(a, file):
    out = subprocess.run([a.program, "--log", "quiet", "--threads", str(THREADS), "generate", "--checkpoint", file, "--json",
                          "--prompt-ids", ",".join(map(str, prompt_ids(a.prompt))), "--max-new-tokens", str(a.new_tokens),
                          "--ignore-eos", "--temperature", "0"], check=True, stdout=subprocess.PIPE)
    row = json.loads(out.stdout)
    return row["prefill_tokens_per_second"], row["decode_tokens_per_second"], row["peak_rss_bytes"]


def theirs(a, file, side):
    out = subprocess.run([a.python, HERE, file, "--python", side, "--prompt", str(a.prompt), "--new-tokens",
                          str(a.new_tokens), "--sides", "peer"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    lines = [line for line in out.stdout.decode().splitlines() if line.startswith("{")]
    if not lines:
        return None
    row = json.loads(lines[-1])
    return row["prompt"], row["answer"], row["peak"]


def peak_bytes():
    import resource
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def run_llama(a, file):
    import xllamacpp as x
    p = x.CommonParams()
    p.model.path = file
    p.n_ctx, p.n_parallel, p.n_batch, p.n_ubatch = a.prompt + a.new_tokens + 64, 1, 512, 512
    p.cpuparams.n_threads = p.cpuparams_batch.n_threads = THREADS
    p.endpoint_slots = False
    server = x.Server(p)
    best = [0, 0]
    for _ in range(2):  # the first warms up
        r = server.handle_completions({"prompt": prompt_ids(a.prompt), "n_predict": a.new_tokens, "ignore_eos": True,
                                       "temperature": 0, "top_k": 1, "cache_prompt": False})
        t = (json.loads(r) if isinstance(r, (str, bytes)) else r)["timings"]
        best = [max(best[0], t["prompt_per_second"]), max(best[1], t["predicted_per_second"])]
    return best


def run_ik(a, file):
    from ik_llama_cpp import IkLlama
    from ik_llama_cpp._internals import make_batch_range, make_batch_single
    import ik_llama_cpp._ctypes_api as C
    model = IkLlama(file, n_ctx=a.prompt + a.new_tokens + 64, n_threads=THREADS, verbose=False)
    context = model._context
    best = [0, 0]
    for _ in range(2):
        context.kv_cache_clear()
        start = time.perf_counter()
        batch = make_batch_range(prompt_ids(a.prompt), pos_start=0, logits_last=True)
        assert context.decode(batch) == 0
        context.sample(-1, temperature=0.0, top_k=1, top_p=1.0)
        best[0] = max(best[0], a.prompt / (time.perf_counter() - start))
        start = time.perf_counter()
        for i in range(a.new_tokens):
            assert context.decode(make_batch_single(20 + i, a.prompt + i)) == 0
            context.sample(-1, temperature=0.0, top_k=1, top_p=1.0)
        best[1] = max(best[1], a.new_tokens / (time.perf_counter() - start))
    return best


def main():
    a = arguments()
    if a.sides == "peer":
        prompt, answer = (run_llama if a.python == "llama.cpp" else run_ik)(a, a.files[0])
        print(json.dumps(dict(prompt=prompt, answer=answer, peak=peak_bytes())), flush=True)
        os._exit(0)  # servers' threads are not waited for
    sides = a.sides.split(",")
    for file in a.files:
        runs = {side: [] for side in sides}
        for _ in range(a.rounds):
            for side in sides:
                result = ours(a, file) if side == "falconer" else theirs(a, file, side)
                if result is not None:
                    runs[side].append(result)
        best = {side: (max(r[0] for r in of), max(r[1] for r in of), min(r[2] for r in of))
                for side, of in runs.items() if of}
        print(os.path.basename(file))
        for side, (prompt, answer, peak) in best.items():
            print(f"  {side:14} prompt {prompt:7.1f}  answer {answer:6.2f} tokens/s  {peak / 1e9:5.2f} GB")
        others = [of for side, of in best.items() if side != "falconer"]
        if "falconer" in best and others:
            own = best["falconer"]
            print(f"  over the better: prompt {own[0] / max(o[0] for o in others):.2f},"
                  f" answer {own[1] / max(o[1] for o in others):.2f}", flush=True)


main()
