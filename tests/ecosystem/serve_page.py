#!/usr/bin/env python3
"""The server's page in headless Chromium, on a desk and on a phone, light and dark: send, stream, stop, another adapter,
two side by side, an error, by the keyboard alone; nothing is asked of anybody else.

Prints PASS or FAIL for each check; exit code 1 where one failed, 77 where Chromium or the Python package playwright is
missing. FALCONER_PICTURES names a folder for pictures.

    tests/ecosystem/serve_page.py --program build/falconer
"""

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import threading

try:
    from playwright.sync_api import sync_playwright
except ImportError:
    print("skipped: the Python package playwright is missing")
    sys.exit(77)

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ROOT = pathlib.Path(__file__).resolve().parents[2]
CHECKPOINT = ROOT / "demo" / "checkpoint"
PICTURES = os.environ.get("FALCONER_PICTURES")
failures = 0


def check(what, good, found=""):
    global failures
    failures += 0 if good else 1
    print(f"PASS {what}" if good else f"FAIL {what}: {found}", flush=True)


def start(program, folder):
    process = subprocess.Popen([program, "serve", CHECKPOINT, "--port", "0", "--model-name", "demo", "--adapters", folder],
                               stderr=subprocess.PIPE, text=True)
    for line in process.stderr:
        found = re.search(r"serving at (http://127\.0\.0\.1:\d+)/", line)
        if found:
            threading.Thread(target=lambda: list(process.stderr), daemon=True).start()
            return process, found[1]
    sys.exit("FAIL the server did not start")


def picture(page, name):
    if PICTURES:
        page.screenshot(path=f"{PICTURES}/{name}.png")


def talk(page, where, address):
    said, outside = [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: outside.append(request.url) if not request.url.startswith((address, "data:")) else 0)
    page.goto(address + "/")
    page.wait_for_selector("select option:nth-child(2)", state="attached")
    page.keyboard.type("Which colour is the deer?")
    page.keyboard.press("Enter")
    page.wait_for_selector(".turn.assistant:not(.busy) .text:not(:empty)")
    check(f"{where}: an answer to Enter", "tokens" in page.inner_text(".turn.assistant .who"))
    picture(page, where + "-1")

    # By the keyboard alone: to the settings, and a temperature.
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "more":
            break
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.type("1.2")
    check(f"{where}: settings by the keyboard", page.input_value("#temperature") == "1.2", page.evaluate("document.activeElement.id"))
    picture(page, where + "-2")
    page.click("#more")

    page.click("#two")
    page.select_option("main section:nth-child(2) select", "lora")
    page.fill("#message", "And the hare?")
    page.click("#send")
    page.wait_for_selector(".busy", state="detached")
    check(f"{where}: two adapters side by side",
          page.inner_text("main section:nth-child(2) .turn.assistant .who").startswith("lora") and
          page.locator("main section:nth-child(1) .turn.assistant").count() == 2)
    picture(page, where + "-3")

    # An answer of many tokens is stopped; a wrong setting is an error that is shown.
    page.route("**/v1/chat/completions", lambda route: None)  # never answered
    page.fill("#message", "Wait.")
    page.keyboard.press("Enter")
    page.wait_for_selector(".busy")
    page.keyboard.press("Escape")
    page.wait_for_selector(".busy", state="detached")
    check(f"{where}: Escape stops", "stopped" in page.inner_text("main section:nth-child(1) .talk"))
    page.unroute("**/v1/chat/completions")
    page.click("#more")
    page.fill("#temperature", "-1")
    page.click("#more")
    page.fill("#message", "Wrong.")
    page.keyboard.press("Enter")
    page.wait_for_selector(".error")
    check(f"{where}: an error is shown", "temperature" in page.inner_text(".error >> nth=0"))
    picture(page, where + "-4")
    page.click("#clear")
    check(f"{where}: a new chat is empty", page.locator(".turn").count() == 0)
    check(f"{where}: nothing is wider than the screen",
          not page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))
    check(f"{where}: nobody else is asked", not outside, outside)
    wrong = [text for text in said if "400" not in text]
    check(f"{where}: the page makes no complaint", not wrong, wrong)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    parser.add_argument("--goldens")
    program = pathlib.Path(parser.parse_args().program).resolve()
    if CHROMIUM is None:
        print("skipped: there is no Chromium (apt: chromium)")
        sys.exit(77)
    with tempfile.TemporaryDirectory() as name:
        made = subprocess.run([program, "finetune", "lora", "--checkpoint", CHECKPOINT, "--data", ROOT / "demo" / "data",
                               "--out", pathlib.Path(name) / "lora", "--max-steps", "5", "--batch-size", "8", "-q"])
        if made.returncode != 0:
            sys.exit("FAIL the adapter could not be trained")
        process, address = start(program, name)
        with sync_playwright() as tools:
            browser = tools.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            for look in ("light", "dark"):
                for where, width, height in (("desk", 1280, 800), ("phone", 390, 780)):
                    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=look)
                    talk(context.new_page(), f"{where}, {look}", address)
                    context.close()
            browser.close()
        process.terminate()
        process.wait(60)
    sys.exit(1 if failures else 0)


main()
