"""The report of a run in a browser: nothing is loaded, axe and a HTML validator find nothing."""

import numpy as np
import pytest

from browser_helpers import (
    findings_of_validator,
    found_in,
    needs_chromium,
    node_module,
    with_script,
)
from minicnn import Conv2D, Dense, GlobalAvgPool, Input, Rescaling, Sequential
from minicnn.pages import report_page

LOOK = """
const found = { errors: [], findings: [], wide: false, loaded: null, dark: false, blank: 0 };
document.addEventListener("securitypolicyviolation", (e) => found.errors.push(e.violatedDirective));
async function look() {
  for (const one of document.querySelectorAll("details")) one.open = true;
  found.blank = [...document.images].filter((one) => !one.naturalWidth).length;
  const { violations } = await axe.run({ resultTypes: ["violations"] });
  found.findings = violations.map((one) => `${one.id}: ${one.nodes[0].html.slice(0, 200)}`);
  found.wide = document.documentElement.scrollWidth > innerWidth;
  found.dark = matchMedia("(prefers-color-scheme: dark)").matches;
  found.loaded = performance.getEntriesByType("resource").map((entry) => entry.name)
    .filter((name) => !name.startsWith("data:"));
}
addEventListener("load", () => look()
  .catch((error) => found.errors.push(error.stack))
  .finally(() => {
    const made = document.createElement("pre");
    made.id = "found";
    made.textContent = JSON.stringify(found);
    document.body.append(made);
  }));
"""


def page_of(folder, classes):
    """The page of a run with so many classes; 0: of one that gives numbers."""
    rng = np.random.default_rng(0)
    y = np.arange(240) % (classes or 7)
    x = (rng.integers(0, 120, (240, 16, 16, 3)) + (130 * y / y.max())[:, None, None, None]).astype(
        np.uint8
    )
    last = Dense(classes, activation="softmax") if classes else Dense(1)
    first = [Input((16, 16, 3)), Rescaling(1 / 255), Conv2D(4, 3, activation="relu")]
    model = Sequential([*first, GlobalAvgPool(), last], seed=0)
    model.class_names = [f"class <{i}> with a long name" for i in range(classes)]
    loss = "sparse_categorical_crossentropy" if classes else "mse"
    metrics = ["accuracy"] if classes else ["mae"]
    model.compile("adam", loss, metrics=metrics)
    halves = (x[:120], y[:120]), (x[120:], y[120:])
    model.fit(*halves[0], epochs=3, validation_data=halves[1], checkpoint=folder, verbose=0)
    report_page(folder, folder / "page.html", train=halves[0], test=halves[1])
    return folder / "page.html"


@needs_chromium
@pytest.mark.slow
@pytest.mark.parametrize(
    ("classes", "width", "dark"),
    [(2, 1200, False), (6, 500, True), (40, 1200, True), (0, 500, False)],
)
def test_axe_finds_nothing(classes, width, dark, tmp_path):
    """Wide and narrow, light and dark, all unfolded; every picture is there, nothing is loaded or
    forbidden, nothing is wider than the screen."""
    axe = node_module("axe-core").with_name("axe.min.js").read_text(encoding="utf-8")
    page = page_of(tmp_path / "run", classes)
    policy = page.read_text(encoding="utf-8").replace("img-src", "script-src ; img-src", 1)
    page.with_name("other.html").write_text(policy, encoding="utf-8")
    driven = with_script(page.with_name("other.html"), f"{axe}\n{LOOK}")
    scheme = f"--blink-settings=preferredColorScheme={0 if dark else 1}"
    found = found_in(driven, width, scheme)
    assert found["errors"] == []
    assert found["findings"] == []
    assert found["loaded"] == []
    assert found["blank"] == 0
    assert not found["wide"]
    assert found["dark"] is dark


@pytest.mark.slow
@pytest.mark.parametrize("classes", [2, 40, 0])
def test_a_html_validator_finds_nothing(classes, tmp_path):
    """Not a finding, and no style within."""
    assert findings_of_validator(page_of(tmp_path / "run", classes)) == []
