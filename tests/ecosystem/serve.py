#!/usr/bin/env python3
"""The server's answers through the clients that people have: openai, lm_eval, litellm, langchain-openai.

Over the demo's checkpoint and an adapter of each kind. Prints PASS or FAIL for each check; exit code 1 where one failed,
77 where the Python package openai is missing.

    tests/ecosystem/serve.py --program build/falconer
"""

import argparse
import asyncio
import importlib.util
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

try:
    import openai
except ImportError:
    print("skipped: the Python package openai is missing")
    sys.exit(77)

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHECKPOINT = ROOT / "demo" / "checkpoint"
QUESTION = [{"role": "user", "content": "Which colour is the deer?"}]
failures = 0


def check(what, good, found=""):
    global failures
    failures += 0 if good else 1
    print(f"PASS {what}" if good else f"FAIL {what}: {found}", flush=True)


class Server:
    def __init__(self, program, *flags):
        self.process = subprocess.Popen([program, "serve", CHECKPOINT, "--port", "0", "--model-name", "demo",
                                         *map(str, flags)], stderr=subprocess.PIPE, text=True)
        for line in self.process.stderr:
            found = re.search(r"serving at (http://127\.0\.0\.1:\d+)/", line)
            if found:
                self.url = found[1]
                break
        else:
            sys.exit("FAIL the server did not start")
        threading.Thread(target=lambda: list(self.process.stderr), daemon=True).start()

    def metric(self, name):
        text = urllib.request.urlopen(self.url + "/metrics").read().decode()
        return int(re.search(rf"^{re.escape(name)} (\d+)$", text, re.M)[1])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(60)


def run(program, *words):
    done = subprocess.run([program, *map(str, words)], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"FAIL {' '.join(map(str, words))}: {done.stderr}")
    return done.stdout


def raised(call):
    try:
        call()
    except openai.OpenAIError as error:
        return error
    return None


def look_at_openai(program, server, folder):
    client = openai.OpenAI(base_url=server.url + "/v1", api_key="none", max_retries=0)
    names = [model.id for model in client.models.list()]
    check("openai: models are the base and its adapters", names == ["demo", "adapter", "adapter-v2", "lora"], names)
    check("openai: one model", client.models.retrieve("lora").id == "lora")
    for name in names:
        words = ["generate", CHECKPOINT, "--prompt", QUESTION[0]["content"], "--temperature", 0, "--max-new-tokens", 20,
                 "--json", "-q"] + ([] if name == "demo" else ["--adapter", folder / name])
        wanted = json.loads(run(program, *words))
        made = client.chat.completions.create(model=name, messages=QUESTION, temperature=0, max_tokens=20)
        choice = made.choices[0]
        check(f"openai: a chat with {name} says what generate does",
              (choice.message.content, choice.finish_reason) == (wanted["text"], wanted["finish_reason"]),
              (choice, wanted))
        check(f"openai: usage of {name}", made.usage.prompt_tokens == len(wanted["prompt_ids"]), made.usage)
        text = "".join(chunk.choices[0].delta.content or "" for chunk in client.chat.completions.create(
            model=name, messages=QUESTION, temperature=0, max_tokens=20, stream=True))
        check(f"openai: a stream of {name}", text == wanted["text"], text)
    with client.chat.completions.stream(model="lora", messages=QUESTION, temperature=0, stop=["e"]) as stream:
        for _ in stream:
            pass
        final = stream.get_final_completion().choices[0]
    check("openai: a stream with its events", final.finish_reason == "stop" and "e" not in final.message.content, final)
    made = client.chat.completions.create(model="lora", messages=QUESTION, max_completion_tokens=4, logprobs=True,
                                          top_logprobs=3, temperature=0)
    content = made.choices[0].logprobs.content
    check("openai: log-probabilities of a chat",
          all(len(token.top_logprobs) == 3 and token.top_logprobs[0].token == token.token and token.bytes
              for token in content) and b"".join(bytes(t.bytes) for t in content).decode() ==
          made.choices[0].message.content, content)
    made = client.completions.create(model="lora", prompt=["The deer", "A hare"], n=2, seed=5, max_tokens=6, logprobs=1)
    check("openai: completions of two prompts", [c.index for c in made.choices] == [0, 1, 2, 3] and
          all(len(c.logprobs.tokens) == len(c.logprobs.token_logprobs) for c in made.choices), made)
    chunks = list(client.completions.create(model="demo", prompt="The", max_tokens=5, stream=True,
                                            stream_options={"include_usage": True}))
    check("openai: a stream of a completion with usage", chunks[-1].usage.completion_tokens == 5, chunks[-1])
    made = client.chat.completions.create(
        model="lora", messages=QUESTION, max_tokens=120, temperature=0, response_format={"type": "json_object"},
        extra_body={"repetition_penalty": 1.3})
    if made.choices[0].finish_reason == "stop":
        check("openai: an answer as JSON", isinstance(json.loads(made.choices[0].message.content), dict), made)
    else:
        check("openai: the beginning of an answer as JSON", made.choices[0].message.content.strip().startswith("{"), made)


def look_at_schemas(server):
    import typing

    import pydantic

    class Animal(pydantic.BaseModel):
        name: typing.Literal["deer", "hare", "owl"]
        legs: typing.Annotated[int, pydantic.Field(ge=2, le=4)]
        colours: typing.Annotated[list[typing.Literal["red", "green"]], pydantic.Field(min_length=1, max_length=3)]

    client = openai.OpenAI(base_url=server.url + "/v1", api_key="none", max_retries=0)
    for name in ("demo", "lora", "adapter", "adapter-v2"):
        made = client.chat.completions.parse(model=name, messages=QUESTION, response_format=Animal, seed=4)
        animal = made.choices[0].message.parsed
        check(f"openai: an answer of {name} as a pydantic model", isinstance(animal, Animal) and 2 <= animal.legs <= 4,
              made)


def look_at_errors(server):
    client = openai.OpenAI(base_url=server.url + "/v1", api_key="none", max_retries=0)
    error = raised(lambda: client.chat.completions.create(model="none", messages=QUESTION))
    check("openai: an unknown model", isinstance(error, openai.NotFoundError) and error.code == "model_not_found", error)
    error = raised(lambda: client.chat.completions.create(model="demo", messages=QUESTION, temperature=-1))
    check("openai: a wrong field is named", isinstance(error, openai.BadRequestError) and error.param == "temperature",
          error)
    error = raised(lambda: client.completions.create(model="demo", prompt="x " * 400))
    check("openai: a prompt that does not fit",
          isinstance(error, openai.BadRequestError) and error.code == "context_length_exceeded", error)
    error = raised(lambda: client.chat.completions.create(model="demo", messages=QUESTION, store=True))
    check("openai: what is not supported is named", isinstance(error, openai.BadRequestError) and error.param == "store",
          error)


def look_at_cancelling(server):
    async def leave():
        client = openai.AsyncOpenAI(base_url=server.url + "/v1", api_key="none")
        stream = await client.completions.create(model="demo", prompt="The", max_tokens=200, stream=True, n=8,
                                                 extra_body={"ignore_eos": True})
        async for _ in stream:
            break
        await stream.close()

    before = server.metric('falconer_answers_total{reason="length"}') if "length" in urllib.request.urlopen(
        server.url + "/metrics").read().decode() else 0
    asyncio.run(leave())
    deadline = time.time() + 20
    while server.metric("falconer_answers") > 0 and time.time() < deadline:
        time.sleep(0.05)
    text = urllib.request.urlopen(server.url + "/metrics").read().decode()
    check("openai: a stream that is closed is no longer computed", server.metric("falconer_answers") == 0 and
          'falconer_answers_total{reason="gone"}' in text, (before, text))


def look_at_keys_and_retries(program, folder):
    (folder / "keys").write_text("secret\n")
    (folder / "keys").chmod(0o600)
    with Server(program, "--api-key-file", folder / "keys", "--max-answers", 1) as server:
        error = raised(lambda: openai.OpenAI(base_url=server.url + "/v1", api_key="wrong").models.list())
        check("openai: a wrong key", isinstance(error, openai.AuthenticationError) and "key" in str(error), error)
        client = openai.OpenAI(base_url=server.url + "/v1", api_key="secret", max_retries=5)

        def one(_=None):
            return client.completions.create(model="demo", prompt="The", max_tokens=100, temperature=0,
                                             extra_body={"ignore_eos": True}).choices[0].text

        results = []
        threads = [threading.Thread(target=lambda: results.append(one())) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        check("openai: a busy server is asked again", len(results) == 3 and len(set(results)) == 1, results)


TASK = """
task: {name}
dataset_path: json
dataset_kwargs:
  data_files:
    test: {file}
test_split: test
output_type: {kind}
doc_to_text: "{{{{question}}}}"
{more}
metric_list:
  - metric: {metric}
"""


def lm_eval_task(folder, name, kind, metric, more, rows):
    (folder / "tasks").mkdir(exist_ok=True)
    file = folder / f"{name}.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "tasks" / f"{name}.yaml").write_text(
        TASK.format(name=name, file=file, kind=kind, metric=metric, more=more))


def look_at_lm_eval(program, server, folder):
    if importlib.util.find_spec("lm_eval") is None or importlib.util.find_spec("datasets") is None:
        return print("skipped: the Python package lm_eval is missing")
    os.environ.update(HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1", HF_HOME=str(folder / "hf"))
    os.environ.setdefault("OPENAI_API_KEY", "none")
    import lm_eval
    from lm_eval.tasks import TaskManager

    rows = json.loads((ROOT / "demo" / "data" / "test.json").read_text())[:12]
    questions = [{"question": f"{row.get('input', '')}\nQuestion: {row['instruction']}\nAnswer:",
                  "answer": " " + row["output"]} for row in rows]
    lm_eval_task(folder, "demo_loglikelihood", "loglikelihood", "acc", 'doc_to_target: "{{answer}}"\ntarget_delimiter: ""',
                 questions)
    lm_eval_task(folder, "demo_generation", "generate_until", "exact_match",
                 'doc_to_target: "{{answer}}"\ngeneration_kwargs:\n  until: ["\\n"]\n  max_gen_toks: 12\n  temperature: 0',
                 questions)
    manager = TaskManager(include_path=str(folder / "tasks"), include_defaults=False)
    for name in ("demo", "lora"):
        made = lm_eval.simple_evaluate(
            model="local-completions", tasks=["demo_loglikelihood", "demo_generation"], task_manager=manager,
            model_args={"model": name, "base_url": server.url + "/v1/completions", "num_concurrent": 1, "batch_size": 4,
                        "max_length": 255, "tokenizer_backend": "remote"},
            log_samples=True, bootstrap_iters=0)
        adapter = [] if name == "demo" else ["--adapter", folder / name]
        for sample in made["samples"]["demo_loglikelihood"]:
            doc = sample["doc"]
            ids = [tokens(server, text) for text in (doc["question"] + doc["answer"], doc["question"])]
            (folder / "row.jsonl").write_text(json.dumps({"input_ids": ids[0], "labels": ids[0]}) + "\n")
            scored = json.loads(run(program, "score", CHECKPOINT, "--data", folder / "row.jsonl", "-q", *adapter))
            wanted = sum(scored["logprobs"][len(ids[1]) - 1:])
            found = float(sample["filtered_resps"][0][0])
            if abs(found - wanted) > 1e-3:
                check(f"lm_eval: log-likelihoods of {name} are those of score", False, (found, wanted, doc))
                break
        else:
            check(f"lm_eval: log-likelihoods of {name} are those of score", True)
        for sample in made["samples"]["demo_generation"]:
            wanted = json.loads(run(program, "generate", CHECKPOINT, "--prompt", sample["doc"]["question"], "--raw",
                                    "--temperature", 0, "--max-new-tokens", 12, "--stop", "\n", "--json", "-q", *adapter))
            found = sample["resps"][0][0]
            if found != wanted["text"]:
                check(f"lm_eval: answers of {name} are those of generate", False, (found, wanted["text"]))
                break
        else:
            check(f"lm_eval: answers of {name} are those of generate", True)
    made = lm_eval.simple_evaluate(
        model="local-chat-completions", tasks=["demo_generation"], task_manager=manager, apply_chat_template=True,
        model_args={"model": "lora", "base_url": server.url + "/v1/chat/completions", "num_concurrent": 2},
        log_samples=True, bootstrap_iters=0)
    check("lm_eval: chats are answered", len(made["samples"]["demo_generation"]) == len(questions) and
          all(sample["resps"][0][0] for sample in made["samples"]["demo_generation"]), made["results"])


def tokens(server, text):
    request = urllib.request.Request(server.url + "/tokenize", json.dumps({"prompt": text, "add_special_tokens": False}).encode(),
                                     {"Content-Type": "application/json"})
    return json.load(urllib.request.urlopen(request))["tokens"]


def look_at_litellm(server, wanted):
    if importlib.util.find_spec("litellm") is None:
        return print("skipped: the Python package litellm is missing")
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    import litellm

    same = dict(model="openai/lora", api_base=server.url + "/v1", api_key="none", messages=QUESTION, temperature=0,
                max_tokens=20)
    made = litellm.completion(**same)
    check("litellm: a chat", made.choices[0].message.content == wanted, made)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in litellm.completion(stream=True, **same))
    check("litellm: a stream", text == wanted, text)


def look_at_langchain(server, wanted):
    if importlib.util.find_spec("langchain_openai") is None:
        return print("skipped: the Python package langchain-openai is missing")
    from langchain_openai import ChatOpenAI

    model = ChatOpenAI(model="lora", base_url=server.url + "/v1", api_key="none", temperature=0, max_tokens=20)
    check("langchain: a chat", model.invoke(QUESTION[0]["content"]).content == wanted)
    check("langchain: a stream", "".join(part.content for part in model.stream(QUESTION[0]["content"])) == wanted)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    parser.add_argument("--goldens")
    program = pathlib.Path(parser.parse_args().program).resolve()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for method in ("lora", "adapter", "adapter-v2"):
            run(program, "finetune", method, "--checkpoint", CHECKPOINT, "--data", ROOT / "demo" / "data", "--out",
                folder / method, "--max-steps", 20, "--batch-size", 8, "--lr", "1e-2", "-q")
        with Server(program, "--adapters", folder) as server:
            look_at_openai(program, server, folder)
            look_at_schemas(server)
            look_at_errors(server)
            look_at_cancelling(server)
            look_at_lm_eval(program, server, folder)
            wanted = openai.OpenAI(base_url=server.url + "/v1", api_key="none").chat.completions.create(
                model="lora", messages=QUESTION, temperature=0, max_tokens=20).choices[0].message.content
            look_at_litellm(server, wanted)
            look_at_langchain(server, wanted)
        look_at_keys_and_retries(program, folder)
    sys.exit(1 if failures else 0)


main()
