#!/usr/bin/env python3
"""The server beside llama.cpp's, over HTTP: the same weights, in turns, on this machine.

  bench/serve.py --checkpoint FOLDER --gguf FILE --python VENV/bin/python [--program build/falconer] [--at 1,8,16,32]

VENV holds xllamacpp, whose Server is llama.cpp's; without --gguf our side runs alone. As many clients as --at says ask at
the same time, each for --rounds answers one after the other: prompts of token ids that have nothing in common, streamed,
without end tokens. Prints for each side all new tokens over the whole time, and the median and the worst time to the first
token. --adapters NAME=DIR,...: ours with those, which requests take by turns, beside the base alone. --copies 5,1000: the
first of them so many times, beside each other, each request with one by chance.
"""
import argparse
import asyncio
import json
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.abspath(__file__)


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--checkpoint")
    p.add_argument("--gguf")
    p.add_argument("--python", default=sys.executable)
    p.add_argument("--program", default="build/falconer")
    p.add_argument("--at", default="1,8,32")
    p.add_argument("--rounds", type=int, default=2)
    p.add_argument("--prompt", type=int, default=128)
    p.add_argument("--new-tokens", type=int, default=64)
    p.add_argument("--vocab", type=int, default=60000)
    p.add_argument("--adapters", default="")
    p.add_argument("--copies", default="")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--turns", type=int, default=1)
    p.add_argument("--flags", default="", help="more of falconer serve's")
    p.add_argument("--peer", help=argparse.SUPPRESS)
    return p.parse_args()


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(port, process):
    for _ in range(6000):  # many adapters take their time
        if process.poll() is not None:
            sys.exit(f"serve.py: the server ended with {process.returncode}")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    sys.exit("serve.py: the server does not listen")


def start_ours(a, adapters):
    port = free_port()
    command = [a.program, "--threads", str(a.threads), "--log", "warning", "serve", "--checkpoint", a.checkpoint,
               "--port", str(port), *a.flags.split()]
    if isinstance(adapters, str):
        command += ["--adapters", adapters]
    else:
        for adapter in adapters:
            command += ["--adapter", adapter]
    process = subprocess.Popen(command)
    wait_for(port, process)
    return port, process


def start_theirs(a, most):
    port = free_port()
    process = subprocess.Popen([a.python, HERE, "--peer", f"{port},{most},{a.threads},{a.prompt + a.new_tokens + 32}",
                                "--gguf", a.gguf], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    if b"ready" not in process.stdout.readline():
        sys.exit("serve.py: llama.cpp's server did not start")
    wait_for(port, process)
    return port, process


def run_peer(a):
    import xllamacpp as x
    port, most, threads, context = map(int, a.peer.split(","))
    p = x.CommonParams()
    p.model.path = a.gguf
    p.hostnames = ["127.0.0.1"] if hasattr(p, "hostnames") else p.hostnames
    p.port = port
    p.n_parallel = most
    p.n_ctx = context * most
    p.n_batch = 2048
    p.cpuparams.n_threads = p.cpuparams_batch.n_threads = threads
    p.warmup = True
    server = x.Server(p)
    print("ready", server.listening_address, flush=True)
    while True:
        time.sleep(3600)


async def ask(port, ids, new_tokens, model):
    """Times of the first and the last token, and how many came."""
    body = {"prompt": ids, "max_tokens": new_tokens, "temperature": 0, "stream": True, "ignore_eos": True, "logprobs": 0,
            "stream_options": {"include_usage": True}}
    if model:
        body["model"] = model
    data = json.dumps(body).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST /v1/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
                 b"Connection: close\r\nContent-Length: " + str(len(data)).encode() + b"\r\n\r\n" + data)
    start, first, events, usage = time.monotonic(), None, 0, None
    status = await reader.readline()
    if b" 200 " not in status:
        sys.exit(f"serve.py: {status} {await reader.read(2000)}")
    while line := await reader.readline():
        if not line.startswith(b"data: {"):
            continue
        first = first or time.monotonic()
        events += 1
        if b'"usage":{' in line.replace(b" ", b"") and b"completion_tokens" in line:
            usage = json.loads(line[6:]).get("usage") or usage
    writer.close()
    if usage is None or usage["completion_tokens"] != new_tokens:
        sys.exit(f"serve.py: {new_tokens} tokens were asked for, and usage is {usage} in {events} events")
    return first - start, time.monotonic() - start


async def load(port, a, clients, models):
    rng = random.Random(f"{clients} {a.new_tokens}")
    models = rng.sample(models, len(models))

    async def client(k):
        times = []
        for r in range(a.rounds):
            ids = [rng.randrange(20, a.vocab) for _ in range(a.prompt)]
            times.append(await ask(port, ids, a.new_tokens, models[(k + r * clients) % len(models)]))
        return times

    start = time.monotonic()
    all_times = [t for times in await asyncio.gather(*(client(k) for k in range(clients))) for t in times]
    seconds = time.monotonic() - start
    firsts = [t[0] for t in all_times]
    return len(all_times) * a.new_tokens / seconds, statistics.median(firsts), max(firsts)


def measure(a, side, clients, adapters):
    port, process = start_theirs(a, clients) if side == "llama.cpp" else start_ours(a, adapters)
    models = (os.listdir(adapters) if isinstance(adapters, str) else [x.split("=")[0] for x in adapters]) or [None]
    try:
        asyncio.run(load(port, argparse.Namespace(**{**vars(a), "rounds": 1, "new_tokens": 4}), min(clients, 2), models))
        return asyncio.run(load(port, a, clients, models))
    finally:
        process.kill()
        process.wait()


def measure_copies(a, adapter):
    counts = [int(count) for count in a.copies.split(",")]
    with tempfile.TemporaryDirectory() as name:
        for count in counts:
            os.mkdir(f"{name}/{count}")
            for i in range(count):
                os.symlink(os.path.abspath(adapter), f"{name}/{count}/copy-{i}")
        for clients in map(int, a.at.split(",")):
            ratios = []
            for turn in range(a.turns):
                rates = {}
                for count in counts if turn % 2 == 0 else reversed(counts):
                    rates[count] = measure(a, "falconer", clients, f"{name}/{count}")[0]
                ratios.append(rates[counts[-1]] / rates[counts[0]])
                print(f"{clients:4} clients  " + "   ".join(f"{count} adapters {rates[count]:7.1f} tokens/s" for count in counts) +
                      f"   {counts[-1]} over {counts[0]}: {ratios[-1]:.3f}", flush=True)
            print(f"              median {statistics.median(ratios):.3f}", flush=True)


def main():
    a = arguments()
    if a.peer:
        return run_peer(a)
    if a.copies:
        return measure_copies(a, a.adapters.split(",")[0].split("=")[-1])
    adapters = [x for x in a.adapters.split(",") if x]
    sides = ["falconer"] + (["falconer + adapters"] if adapters else []) + (["llama.cpp"] if a.gguf else [])
    for clients in map(int, a.at.split(",")):
        for _ in range(a.turns):
            rates = {}
            for side in sides:
                rates[side] = measure(a, side, clients, adapters if side == "falconer + adapters" else [])
                rate, median, worst = rates[side]
                print(f"{clients:4} clients  {side:20} {rate:7.1f} tokens/s   first token after {median:6.3f} s, "
                      f"{worst:6.3f} s at most", flush=True)
            for side in sides[1:]:
                print(f"              falconer over {side}: {rates['falconer'][0] / rates[side][0]:.2f}")


main()
