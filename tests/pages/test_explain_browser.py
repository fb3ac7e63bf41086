"""The explain page in a browser: every click, on five networks, beside NumPy's numbers."""

import re
from pathlib import Path

import numpy as np
import pytest

from browser_helpers import (
    driven,
    findings_of_validator,
    found_in,
    in_browser,
    needs_chromium,
    node_module,
    with_script,
)
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

pytestmark = needs_chromium
SLOW = ("lenet5", "small", "resnet20", "unet")
CLICKING = Path(__file__).parent / "clicking.js"
AUDITING = Path(__file__).parent / "auditing.js"


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
    found = found_in(with_script(tmp_path / "page.html", clicks, wanted))
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
    found, text = driven(with_script(tmp_path / "page.html", clicks, wanted))
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
    text = in_browser(tmp_path / "page.html", width=360, until="computed in")
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
    page = with_script(tmp_path / "page.html", script)
    found = found_in(page, width, scheme, *calm)
    assert found["findings"] == []
    assert found["wide"] == []
    assert found["states"] >= 6
    assert found["dark"] is dark
    assert found["moves"] is not dark


def test_a_html_validator_finds_nothing(tmp_path):
    """As it is written, and as it is once its scripts have run."""
    x, _ = fingers(2, seed=0)
    page = tmp_path / "page.html"
    explain_page(NETWORKS["course"]((64, 64, 3), 4, seed=0), x, page)
    (tmp_path / "run.html").write_text(in_browser(page), encoding="utf-8")
    for name, styles in (("page.html", "error"), ("run.html", "off")):
        assert findings_of_validator(tmp_path / name, styles) == []


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
    found = found_in(with_script(tmp_path / "page.html", clicks, wanted))
    assert found["errors"] == []
    assert found["worst"] < 1e-4
    assert found["ends"].count(0) == len(found["ends"])
