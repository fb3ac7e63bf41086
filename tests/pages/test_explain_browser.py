"""The explain page in a browser: every click, on five networks, beside NumPy's numbers."""

import base64
import hashlib
import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from minicnn import (
    Conv2D,
    Dense,
    Flatten,
    GlobalAvgPool,
    GlobalMaxPool,
    Input,
    LayerNorm,
    MaxPool,
    Model,
    PReLU,
    Reshape,
    SeparableConv2D,
    Sequential,
    Softmax,
    UpSampling2D,
)
from minicnn.applications import NETWORKS, unet
from minicnn.data.synthetic import fingers
from minicnn.pages import explain_page, explaining
from minicnn.pages.network import network_of
from page_helpers import Twice, with_statistics

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
SLOW = ("lenet5", "small", "resnet20", "unet")
CLICKING = Path(__file__).parent / "clicking.js"
AUDITING = Path(__file__).parent / "auditing.js"


def in_browser(page, width=1200, *more):
    """The page's markup after its scripts, and all that waits, have run."""
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


def found_in(text):
    """What such a script has written into the page."""
    return json.loads(html.unescape(re.search(r'<pre id="found">(.*?)</pre>', text)[1]))


def node_module(name):
    """Where a module of node's is, as node looks for it (NODE_PATH); skips the test without it."""
    command = ["node", "-p", f"require.resolve({name!r})"]
    done = None
    if shutil.which("node"):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done is None or done.returncode:
        pytest.skip(f"{name} is not installed (npm install {name}, and NODE_PATH)")
    return Path(done.stdout.strip())


@pytest.mark.parametrize(
    "name",
    [
        "course",
        *(pytest.param(n, marks=pytest.mark.slow) for n in SLOW),
    ],
)
def test_every_click_works_and_every_number_is_numpys(name, tmp_path):
    """Maps, windows, numbers back to the picture, answers, Grad-CAM, other pictures, a dropped one:
    no error, nothing loaded, and all values within 1e-4 of NumPy's."""
    x, _ = fingers(2, seed=0)
    make = {**NETWORKS, "unet": unet}[name]
    model = with_statistics(make((64, 64, 3), 3, seed=0))
    model.class_names = ("one", "<i>two</i>", "</script>")
    explain_page(model, x, tmp_path / "page.html")
    network = network_of(model.graph())
    values = network.computed(x[0], model.dtype, True)
    wanted = {str(number): value.ravel().tolist() for number, value in values}
    clicks = CLICKING.read_text(encoding="utf-8")
    text = in_browser(with_script(tmp_path / "page.html", clicks, wanted))
    found = found_in(text)
    assert found["errors"] == []
    assert found["loaded"] == []
    assert found["worst"] < 1e-4
    assert found["clicks"] > 5 * len(network.steps)
    assert found["figures"] > 5 * len(network.steps)
    assert found["ends"].count(0) > len(found["ends"]) / 2, "one comes back to the picture"


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["custom", "maps"])
def test_what_the_page_does_not_know_is_shown(kind, tmp_path, monkeypatch):
    """A custom layer, and a network that does not fit: NumPy's maps, every click without an error;
    of a dropped picture what follows the custom layer is said not to be known."""
    x, _ = fingers(2, seed=0)
    image = Input((64, 64, 3))
    y = Conv2D(3, 5, strides=4, activation="relu")(Twice()(image))
    model = Model(image, Dense(3, "softmax")(GlobalAvgPool()(y)), seed=0)
    if kind == "maps":
        monkeypatch.setattr(explaining, "MOST_NUMBERS", 200)
    explain_page(model, x, tmp_path / "page.html")
    values = network_of(model.graph()).computed(x[0], model.dtype, True)
    wanted = {str(i): v.ravel().tolist() for i, v in values} if kind == "custom" else {}
    clicks = CLICKING.read_text(encoding="utf-8")
    text = in_browser(with_script(tmp_path / "page.html", clicks, wanted))
    found = found_in(text)
    assert found["errors"] == []
    assert found["worst"] < 1e-4
    assert found["clicks"] > 10
    shown = re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)
    assert ("too large for a page" in shown) == (kind == "maps")
    assert ("Not known for this picture" in shown) == (kind == "custom")


def test_the_page_itself_runs_on_a_phone(tmp_path):
    """As it is written, under its policy, it computes and shows the answer."""
    x, _ = fingers(1, seed=0)
    explain_page(NETWORKS["course"]((64, 64, 3), 6, seed=0), x, tmp_path / "page.html")
    text = in_browser(tmp_path / "page.html", width=360)
    assert "computed in" in text
    assert text.count('class="probability"') == 6


@pytest.mark.parametrize(
    ("name", "width", "dark"),
    [("unet", 1400, False), ("resnet20", 500, True), ("lenet5", 500, False)],
)
def test_axe_finds_nothing(name, width, dark, tmp_path):
    """Light and dark, wide and narrow, with each kind of layer in the panel; nothing is wider than
    the screen, nothing moves by itself for those who want no motion, and the focus comes back."""
    axe = node_module("axe-core").with_name("axe.min.js").read_text(encoding="utf-8")
    x, _ = fingers(2, seed=0)
    explain_page(
        {**NETWORKS, "unet": unet}[name]((64, 64, 3), 4, seed=0), x, tmp_path / "page.html"
    )
    script = f"{axe}\n{AUDITING.read_text(encoding='utf-8')}"
    scheme = f"--blink-settings=preferredColorScheme={0 if dark else 1}"
    calm = ["--force-prefers-reduced-motion"] * dark
    driven = with_script(tmp_path / "page.html", script)
    found = found_in(in_browser(driven, width, scheme, *calm))
    assert found["findings"] == []
    assert found["wide"] == []
    assert found["states"] >= 6
    assert found["dark"] is dark
    assert found["moves"] is not dark


VALIDATE = """
const { HtmlValidate } = require("html-validate");
const rules = { "no-inline-style": process.argv[2] };
const validator = new HtmlValidate({ extends: ["html-validate:recommended"], rules });
Promise.resolve(validator.validateFile(process.argv[1])).then((report) =>
  console.log(JSON.stringify(report.results.flatMap((one) => one.messages.map((m) => m.message)))));
"""


def test_a_html_validator_finds_nothing(tmp_path):
    """As it is written, and as it is once its scripts have run."""
    node_module("html-validate")
    x, _ = fingers(2, seed=0)
    page = tmp_path / "page.html"
    explain_page(NETWORKS["course"]((64, 64, 3), 4, seed=0), x, page)
    (tmp_path / "run.html").write_text(in_browser(page), encoding="utf-8")
    for name, styles in (("page.html", "error"), ("run.html", "off")):
        command = ["node", "-e", VALIDATE, str(tmp_path / name), styles]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert json.loads(done.stdout or "0") == [], done.stderr


SMALL_ONES = {
    "a number": lambda: [GlobalAvgPool(), Dense(1)],
    "a single output": lambda: [
        *(SeparableConv2D(4, 3, activation="gelu"), LayerNorm(), MaxPool(2), UpSampling2D(2)),
        *(Conv2D(3, 2, dilation_rate=2), GlobalMaxPool(), Dense(1, "sigmoid")),
    ],
    "rows of numbers": lambda: [
        *(PReLU(), Reshape((12, 48)), Dense(5), Flatten(), Dense(40), Softmax()),
    ],
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL_ONES)
def test_other_forms_of_outputs_and_layers_work_as_well(name, tmp_path):
    """Every click, of pictures that are fractions, with one output and with rows in the middle."""
    x = np.random.default_rng(0).random((2, 16, 12, 3)).astype("float32")
    model = Sequential([Input((16, 12, 3)), *SMALL_ONES[name]()], seed=0)
    explain_page(model, x, tmp_path / "page.html")
    values = network_of(model.graph()).computed(x[0], model.dtype, True)
    wanted = {str(number): value.ravel().tolist() for number, value in values}
    clicks = CLICKING.read_text(encoding="utf-8")
    found = found_in(in_browser(with_script(tmp_path / "page.html", clicks, wanted)))
    assert found["errors"] == []
    assert found["worst"] < 1e-4
    assert found["ends"].count(0) == len(found["ends"])
