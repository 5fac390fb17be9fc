"""The Python package over libfalconer.so, on the demo's checkpoint. Needs nothing but Python:
FALCONER_LIBRARY=build/libfalconer.so PYTHONPATH=python python3 tests/python/test_falconer.py"""

import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading
import unittest

import falconer

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHECKPOINT = ROOT / "demo" / "checkpoint"
ROWS = [
    {"instruction": "Where is the owl?", "input": f"The {size} owl sings near the lake.", "output": "Near the lake."}
    for size in ("small", "old", "young", "grey")
]
LONG = dict(max_steps=100000, batch_size=1)


class Case(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.out = pathlib.Path(folder.name) / "run"

    def train(self, **settings):
        values = {"checkpoint": CHECKPOINT, "data": ROWS, "out": self.out, "max_steps": 4, "batch_size": 2}
        return falconer.finetune("lora", **{**values, **settings})

    def fails(self, *words, **settings) -> None:
        with self.assertRaises(falconer.Error) as caught:
            self.train(**settings)
        for word in words:
            self.assertIn(word, str(caught.exception))


class Settings(Case):
    def test_wrong_names_are_told_the_nearest(self) -> None:
        self.fails('there is no setting "lora_rr"', "did you mean lora_r?", lora_rr=8)

    def test_values_are_checked_by_the_table(self) -> None:
        self.fails("lora_r is 0", "expected a whole number from 1", lora_r=0)
        self.fails('lora_r is "many"', "expected a whole number", lora_r="many")
        self.fails("lora_r is {}, a dict", lora_r={})
        self.fails("schedule is", "linear", schedule="linar")

    def test_those_of_another_method_are_refused(self) -> None:
        with self.assertRaisesRegex(falconer.Error, "lora_r is a setting of lora, and this run's method is adapter"):
            falconer.finetune("adapter", checkpoint=CHECKPOINT, data=ROWS, out=self.out, lora_r=8)
        self.fails("adapter_length is a setting of adapter", adapter_length=4)
        self.fails("there is no setting", stop="x")

    def test_all_are_listed(self) -> None:
        listed = {setting["name"]: setting for setting in falconer.settings()}
        self.assertEqual(listed["lora-r"]["default"], 8)
        self.assertEqual(listed["lora-targets"]["default"], ["q", "v"])
        self.assertIs(listed["shuffle"]["default"], True)
        self.assertIsNone(listed["lr"]["default"])
        self.assertIn("temperature", {setting["name"] for setting in falconer.settings("sampling")})
        with self.assertRaisesRegex(falconer.Error, "expected finetune, model or sampling"):
            falconer.settings("nothing")

    def test_every_kind_of_value_arrives(self) -> None:
        report = self.train(lora_r=4, lora_targets=["q", "k"], lr=1e-3, shuffle=False, epochs=None, max_steps=1)
        settings = json.loads((pathlib.Path(report.final_folder) / "falconer.json").read_text())["settings"]
        self.assertEqual(settings["lora_r"], "4")
        self.assertEqual(settings["lora_targets"], "q,k")
        self.assertEqual(float(settings["lr"]), 1e-3)
        self.assertEqual(settings["shuffle"], "false")


class Finetuning(Case):
    def test_rows_in_memory_are_those_of_a_file(self) -> None:
        steps = []
        report = self.train(on_step=steps.append)
        self.assertEqual([step.step for step in steps], [1, 2, 3, 4])
        self.assertEqual({step.total_steps for step in steps}, {4})
        self.assertTrue(all(step.loss > 0 and step.tokens > 0 and step.eval_loss is None for step in steps))
        self.assertEqual(steps[-1].loss, report.last_loss)
        self.assertEqual((report.steps, report.interrupted), (4, False))
        weights = (pathlib.Path(report.final_folder) / "adapter_model.safetensors").read_bytes()
        rows = self.out.parent / "rows.json"
        rows.write_text(json.dumps(ROWS))
        again = self.train(data=rows, out=self.out.parent / "again")
        self.assertEqual(weights, (pathlib.Path(again.final_folder) / "adapter_model.safetensors").read_bytes())

    def test_rows_may_come_one_by_one(self) -> None:
        self.assertEqual(self.train(data=(row for row in ROWS), max_steps=1).steps, 1)

    def test_evaluations_are_told(self) -> None:
        steps = []
        self.train(test_size=1, eval_interval=2, on_step=steps.append)
        self.assertEqual([step.step for step in steps], [0, 1, 2, 3, 4])
        self.assertEqual([step.eval_loss is None for step in steps], [False, True, False, True, False])

    def test_errors_speak_of_keywords(self) -> None:
        self.train(max_steps=1)
        self.fails("overwrite=True", 'resume="auto"', "another out", max_steps=1)
        self.fails("epochs is 0", epochs=0)
        for setting in falconer.settings():
            self.assertNotIn(" --", setting["help"])

    def test_errors_have_the_programs_words(self) -> None:
        self.fails("no such folder", checkpoint="none")
        self.fails("rows in memory: row 2", data=[ROWS[0], {"nothing": 1}])
        self.fails("rows in memory: row 1: ", data=[{"instruction": {1, 2}}])
        self.fails("rows in memory: holds no rows", data=[])
        self.fails("is not a JSON object", data=[1])
        for wrong in (None, 5, {"instruction": "a"}):
            self.fails(f"data is a {type(wrong).__name__}; expected a path", data=wrong)
        self.assertFalse(self.out.exists())

    def test_pairs_may_be_dictionaries(self) -> None:
        rows = [{"Frage": "Who?", "Antwort": "The owl."}] * 4
        report = self.train(data=rows, columns={"instruction": "Frage", "output": "Antwort"}, max_steps=1)
        self.assertEqual(report.steps, 1)
        with falconer.Model(CHECKPOINT) as model:
            first = model.generate("The fox", raw=True, temperature=0, max_new_tokens=1).ids[0]
            other = model.generate("The fox", raw=True, temperature=0, max_new_tokens=1, logit_bias={first: -100.0})
            self.assertNotEqual(other.ids, [first])

    def test_what_a_callback_raises_stops_the_run_saved(self) -> None:
        def stop(step):
            if step.step == 2:
                raise KeyError("enough")

        with self.assertRaisesRegex(KeyError, "enough"):
            self.train(on_step=stop, **LONG)
        self.assertTrue((self.out / "checkpoint-2").exists())

    def test_a_token_stops_the_run_and_it_goes_on(self) -> None:
        cancel = falconer.Cancel()
        report = self.train(cancel=cancel, on_step=lambda step: cancel.request() if step.step == 2 else None)
        self.assertTrue(report.interrupted)
        self.assertEqual((report.steps, report.final_folder), (2, ""))
        self.assertEqual(self.train(resume="auto").steps, 4)
        whole = self.train(out=self.out.parent / "whole")
        self.assertEqual(
            (self.out / "final/adapter_model.safetensors").read_bytes(),
            (pathlib.Path(whole.final_folder) / "adapter_model.safetensors").read_bytes(),
        )

    def test_runs_in_threads_do_not_disturb_each_other(self) -> None:
        alone = self.train()
        cancel, reports = falconer.Cancel(), {}

        def run(name, **settings):
            reports[name] = self.train(out=self.out.parent / name, **settings)

        stop = {"cancel": cancel, "on_step": lambda step: cancel.request(), "max_steps": 1000}
        threads = [
            threading.Thread(target=run, args=("a",), kwargs={"check_finite": True}),
            threading.Thread(target=run, args=("b",), kwargs=stop),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual((reports["b"].steps, reports["b"].interrupted), (1, True))
        self.assertEqual((reports["a"].interrupted, reports["a"].last_loss), (False, alone.last_loss))

    def test_a_callback_may_use_models_and_runs(self) -> None:
        alone = self.train(out=self.out.parent / "alone")
        inner = []

        def step(report):
            if report.step == 1:
                with falconer.Model(CHECKPOINT) as model:
                    inner.append(model.generate("The fox", raw=True, max_new_tokens=2).text)
                inner.append(self.train(out=self.out.parent / "inner").last_loss)

        self.assertEqual(self.train(on_step=step).last_loss, alone.last_loss)
        self.assertEqual(inner[1], alone.last_loss)

    def test_a_run_has_its_own_verbosity(self) -> None:
        self.train(max_steps=1, verbosity="quiet")
        with self.assertRaisesRegex(falconer.Error, 'verbosity is "loud"'):
            self.train(out=self.out.parent / "loud", verbosity="loud")

    def test_one_folder_has_one_run(self) -> None:
        said = []

        def step(report):
            try:
                self.train()
            except falconer.Error as error:
                said.append(str(error))

        self.train(on_step=step, max_steps=1)
        self.assertEqual(len(said), 1)
        self.assertIn("trains in this folder", said[0])

    def test_a_plan_says_what_a_run_would_need_and_writes_nothing(self) -> None:
        plan = falconer.plan("lora", checkpoint=CHECKPOINT, data=ROWS, out=self.out, max_steps=4)
        self.assertEqual((plan["steps"], plan["train_rows"]), (4, len(ROWS)))
        self.assertFalse(self.out.exists())
        with self.assertRaisesRegex(falconer.Error, "rows in memory: row 1"):
            falconer.plan("lora", checkpoint=CHECKPOINT, data=[{"nothing": 1}], out=self.out)

    def test_ctrl_c_saves(self) -> None:
        script = (
            "import falconer, sys\n"
            "rows = [{'instruction': 'Hi', 'output': 'Hello.'}]\n"
            f"falconer.finetune('lora', checkpoint={str(CHECKPOINT)!r}, data=rows, out={str(self.out)!r},\n"
            "                  max_steps=1000000, batch_size=1, on_step=lambda step: print(step.step, flush=True))\n"
        )
        program = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        program.stdout.readline()
        program.send_signal(signal.SIGINT)
        _, said = program.communicate(timeout=60)
        self.assertIn(b"KeyboardInterrupt", said)
        self.assertNotIn(b"Exception ignored", said)
        self.assertEqual(program.returncode, -signal.SIGINT)
        self.assertTrue(list(self.out.glob("checkpoint-*")))


class Models(Case):
    def test_answers(self) -> None:
        with falconer.Model(CHECKPOINT) as model:
            said = []
            answer = model.generate("In winter: A young red fox", raw=True, temperature=0, max_new_tokens=12, on_text=said.append)
            self.assertEqual("".join(said), answer.text)
            self.assertEqual(model.decode(answer.ids), answer.text)
            self.assertEqual(answer.prompt_ids, model.encode("In winter: A young red fox", raw=True))
            self.assertEqual(model.generate(answer.prompt_ids, temperature=0, max_new_tokens=12).ids, answer.ids)
            together = model.generate_all([answer.prompt_ids, "The owl"], temperature=0, max_new_tokens=12)
            self.assertEqual(together[0].ids, answer.ids)
            cut = model.generate("The fox", raw=True, stop=["e", "o"], temperature=0)
            self.assertFalse(set("eo") & set(cut.text))
            with self.assertRaisesRegex(falconer.Error, "did you mean temperature"):
                model.generate("The fox", temprature=0)

    def test_what_a_callback_raises_ends_the_answer(self) -> None:
        def stop(_):
            raise KeyError("enough")

        cancel = falconer.Cancel()
        with falconer.Model(CHECKPOINT) as model:
            with self.assertRaisesRegex(KeyError, "enough"):
                model.generate("The fox", raw=True, ignore_eos=True, on_text=stop)
            answer = model.generate("The fox", raw=True, ignore_eos=True, cancel=cancel, on_text=lambda _: cancel.request())
            self.assertEqual(answer.finish_reason, "cancelled")
            with self.assertRaisesRegex(falconer.Error, "at work"):
                model.generate("The fox", raw=True, on_text=lambda _: model.logits([1]))

    def test_texts_with_a_character_0_are_whole(self) -> None:
        with falconer.Model(CHECKPOINT) as model:
            zero = model.encode_chat([{"role": "user", "content": "a\0b"}])
            self.assertIn("a\0b", model.decode(zero))
            with self.assertRaisesRegex(falconer.Error, "a character 0"):
                model.encode("a\0b")
            with self.assertRaisesRegex(falconer.Error, "a character 0"):
                model.generate("a", stop="\0")

    def test_ctrl_c_ends_an_answer(self) -> None:
        script = (
            f"import falconer\nmodel = falconer.Model({str(CHECKPOINT)!r})\n"
            "while True:\n"
            "    model.generate('The fox', raw=True, ignore_eos=True, on_text=lambda text: print('.', flush=True))\n"
        )
        program = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        program.stdout.readline()
        program.send_signal(signal.SIGINT)
        _, said = program.communicate(timeout=60)
        self.assertIn(b"KeyboardInterrupt", said)
        self.assertNotIn(b"Exception ignored", said)

    def test_logits(self) -> None:
        with falconer.Model(CHECKPOINT) as model:
            ids = model.encode("The fox", raw=True)
            logits = model.logits(ids)
            self.assertEqual((len(logits), len(logits[0])), (len(ids), model.vocab))
            likeliest = max(range(model.vocab), key=lambda token: logits[-1][token])
            self.assertEqual(model.generate(ids, temperature=0, max_new_tokens=1).ids, [likeliest])
            for wrong in ([], [model.vocab], [-1], [2**40], [1] * (model.context + 1)):
                with self.assertRaises(falconer.Error):
                    model.logits(wrong)

    def test_an_adapter_changes_them(self) -> None:
        report = self.train(lr=1e-2)
        with falconer.Model(CHECKPOINT) as base, falconer.Model(CHECKPOINT, report.final_folder) as adapted:
            self.assertNotEqual(list(base.logits([1, 2])[1]), list(adapted.logits([1, 2])[1]))
            self.assertEqual((base.prompt_style, adapted.prompt_style), ("", "alpaca"))

    def test_hidden_states(self) -> None:
        with falconer.Model(CHECKPOINT) as model:
            states = model.hidden_states([20, 21, 22])
            self.assertEqual((len(states), len(states[0]), len(states[0][0])), (model.layers + 1, 3, model.width))
            again = model.hidden_states([20, 30, 22])
            self.assertEqual(list(states[0][2]), list(again[0][2]))
            self.assertNotEqual(list(states[-1][2]), list(again[-1][2]))
            self.assertEqual(list(states[-1][0]), list(again[-1][0]))
            with self.assertRaises(falconer.Error):
                model.hidden_states([])

    def test_adapters_are_swapped_on_one_base(self) -> None:
        lora = self.train(lr=1e-2).final_folder
        rows = dict(checkpoint=CHECKPOINT, data=ROWS, max_steps=4, batch_size=2, lr=1e-2)
        v2 = falconer.finetune("adapter-v2", out=self.out.parent / "v2", **rows).final_folder
        numbers = lambda model: [list(row) for row in model.logits([20, 21, 22])]
        alone = {}
        for name, adapter in ((None, None), ("lora", lora), ("v2", v2)):
            with falconer.Model(CHECKPOINT, adapter) as model:
                alone[name] = numbers(model)
        with falconer.Model(CHECKPOINT, lora) as model:
            self.assertEqual((model.adapter, model.adapters), ("default", ["default"]))
            model.load_adapter("v2", pathlib.Path(v2))
            self.assertEqual(numbers(model), alone["lora"])
            with model.using("v2"):
                self.assertEqual(numbers(model), alone["v2"])
                with model.using(None):
                    self.assertEqual((model.adapter, model.prompt_style), (None, ""))
                    self.assertEqual(numbers(model), alone[None])
                self.assertEqual(numbers(model), alone["v2"])
            self.assertEqual(numbers(model), alone["lora"])
            model.set_adapter("v2")
            model.unload_adapter("v2")
            self.assertEqual((model.adapter, numbers(model)), (None, alone[None]))
            with self.assertRaisesRegex(falconer.Error, 'no adapter named "v3" is loaded; loaded are default'):
                model.set_adapter("v3")
            with self.assertRaisesRegex(falconer.Error, "is loaded already"):
                model.load_adapter("default", v2)

    def test_one_that_is_closed_says_so(self) -> None:
        model = falconer.Model(CHECKPOINT)
        model.close()
        model.close()
        with self.assertRaisesRegex(falconer.Error, "is closed"):
            model.generate("The fox")

    def test_threads_wait_for_each_other(self) -> None:
        answers = []
        with falconer.Model(CHECKPOINT) as model:
            ask = lambda: answers.append(model.generate("The fox", raw=True, temperature=0, max_new_tokens=8).text)
            threads = [threading.Thread(target=ask) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        self.assertEqual(len(answers), 4)
        self.assertEqual(len(set(answers)), 1)


class Package(Case):
    def test_version_is_the_librarys(self) -> None:
        self.assertRegex(falconer.version(), r"^\d+\.\d+\.\d+$")
        self.assertEqual(falconer.version(), falconer.__version__)

    def test_a_library_that_is_not_there(self) -> None:
        said = subprocess.run(
            [sys.executable, "-c", "import falconer"],
            env={**os.environ, "FALCONER_LIBRARY": "/none.so"},
            capture_output=True,
            text=True,
        )
        self.assertIn("ImportError: falconer: its library could not be loaded", said.stderr)
        self.assertIn("/none.so", said.stderr)


if __name__ == "__main__":
    unittest.main()
