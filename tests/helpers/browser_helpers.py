"""Pages in a headless browser, and what looks at them there and beside it."""

import base64
import hashlib
import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("chrome")

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")


TRIES = 3
"""The browser's clock is virtual: on a busy machine it may have run out before a script has."""


def in_browser(page, width=1200, *more, until=""):
    """The page's markup after its scripts, and all that waits, have run, and ``until`` is in it."""
    for _ in range(TRIES):
        text = _once_in_browser(page, width, *more)
        if until in text:
            break
    return text


def _once_in_browser(page, width, *more):
    switches = "--headless --no-sandbox --disable-gpu --disable-background-networking"
    command = [CHROMIUM, *switches.split(), f"--window-size={width},800", "--dump-dom", *more]
    command += [f"--user-data-dir={page.parent / 'profile'}", "--virtual-time-budget=6000000"]
    done = subprocess.run(
        [*command, page.as_uri()], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def with_script(page, script, wanted=None):
    """A copy of a page with a further script, which the policy allows as well."""
    text = page.read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    text = text.replace("script-src ", f"script-src 'sha256-{digest}' ", 1)
    values = f'<script type="application/json" id="wanted">{json.dumps(wanted)}</script>'
    before, after = text.rsplit("</body>", 1)
    copy = page.with_name("driven.html")
    copy.write_text(f"{before}{values}<script>{script}</script></body>{after}", encoding="utf-8")
    return copy


def driven(page, width=1200, *more):
    """(what such a script has written into the page, the page's markup)."""
    text = in_browser(page, width, *more, until='<pre id="found">')
    return json.loads(html.unescape(re.search(r'<pre id="found">(.*?)</pre>', text)[1])), text


def found_in(page, width=1200, *more):
    """What such a script has written into the page."""
    return driven(page, width, *more)[0]


def node_module(name):
    """Where a module of node's is, as node looks for it (NODE_PATH); skips the test without it."""
    command = ["node", "-p", f"require.resolve({name!r})"]
    done = None
    if shutil.which("node"):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done is None or done.returncode:
        pytest.skip(f"{name} is not installed (npm install {name}, and NODE_PATH)")
    return Path(done.stdout.strip())


VALIDATE = """
const { HtmlValidate } = require("html-validate");
const rules = { "no-inline-style": process.argv[2] };
const validator = new HtmlValidate({ extends: ["html-validate:recommended"], rules });
Promise.resolve(validator.validateFile(process.argv[1])).then((report) =>
  console.log(JSON.stringify(report.results.flatMap((one) => one.messages.map((m) => m.message)))));
"""


def findings_of_validator(page, styles="error"):
    """What html-validate has to say of a file; skips the test without it."""
    node_module("html-validate")
    command = ["node", "-e", VALIDATE, str(page), styles]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout, done.stderr
    return json.loads(done.stdout)
