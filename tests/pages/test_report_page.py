"""The report of a run: its numbers are right, what does not apply is left out with a word."""

import base64
import contextlib
import io
import re
from html import unescape
from html.parser import HTMLParser

import numpy as np
import pytest

from minicnn import (
    SGD,
    Conv2D,
    Dense,
    Flatten,
    GlobalAvgPool,
    Input,
    Model,
    Rescaling,
    Sequential,
    evaluation,
    explain,
    losses,
    ops,
    runs,
)
from minicnn.data import Dataset
from minicnn.errors import ConfigError, DataError, ModelFileError, ShapeError
from minicnn.metrics import wilson_interval
from minicnn.optimizers.schedules import CosineDecay
from minicnn.pages import curves, report_page
from minicnn.pages.dangers import Part, dangers
from minicnn.pages.drawn import covered, picture, png, svg
from minicnn.pages.markup import Markup
from minicnn.plots import plot_history

RNG = np.random.default_rng(0)
Y = np.arange(90) % 3
X = (RNG.integers(0, 120, (90, 8, 8, 3)) + 60 * Y[:, None, None, None]).astype(np.uint8)
NAMES = ["cat", "<b>dog</b>", "</style><script>"]


def network(*last, units=3):
    layers = last or (Dense(units, activation="softmax"),)
    first = [Input((8, 8, 3)), Rescaling(1 / 255), Conv2D(4, 3, activation="relu"), Flatten()]
    return Sequential([*first, *layers], seed=0)


def trained(folder, model=None, x=X, y=Y, loss="sparse_categorical_crossentropy", **options):
    """A run of two epochs on all but the first 30, which are its validation."""
    model = model or network()
    metrics = options.pop("metrics", ["accuracy"])
    model.compile(options.pop("optimizer", "adam"), loss, metrics=metrics)
    given = {"epochs": 2, "verbose": 0, "validation_data": (x[:30], y[:30])} | options
    model.fit(x[30:], y[30:], checkpoint=folder, **given)
    return model


def shown(page):
    """The text of a page."""
    text = page.read_text(encoding="utf-8")
    body = re.sub(r"<style>.*?</style>", "", text, flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).split())


def rows_of(page, caption):
    """The cells of a table."""
    text = page.read_text(encoding="utf-8")
    table = re.search(rf"<caption>{caption}</caption>(.*?)</table>", text, re.DOTALL)[1]
    cells = [re.findall(r"<t[hd](?: [^>]*)?>(.*?)</t[hd]>", row) for row in table.split("</tr>")]
    return [[unescape(cell) for cell in row] for row in cells if row]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A folder, its model and its page."""
    folder = tmp_path_factory.mktemp("runs") / "one <i>run"
    model = network()
    model.class_names = NAMES
    trained(folder, model, optimizer="sgd")
    data = Dataset(X[30:], Y[30:], NAMES), Dataset(X[:30], Y[:30], NAMES, "mine.h5")
    report_page(folder, folder / "page.html", train=data[0], test=data[1])
    return folder, model, folder / "page.html"


@pytest.fixture
def no_curves(monkeypatch):
    """Pages without their figures, which take most of the time."""
    monkeypatch.setattr(curves, "svg", lambda figure, label, number: Markup(f"<p>{label}</p>"))


def test_its_numbers_are_those_of_the_predictions(run):
    """Accuracy, Wilson's interval, and each cell of the matrix, counted one by one."""
    _, model, page = run
    said = model.predict(X[:30]).argmax(axis=1)
    right = sum(int(a == b) for a, b in zip(said, Y, strict=False))
    low, high = wilson_interval(right, 30)
    text = shown(page)
    interval = f"{right / 30:.3f} (95% interval {low:.3f} to {high:.3f})"
    assert f"Accuracy {interval}: {right} of 30 test images are right." in text
    assert f"val_accuracy {interval} of 30 validation images." in text
    matrix = rows_of(page, "Confusion matrix")
    assert matrix[0][1:] == NAMES
    for i, row in enumerate(matrix[1:]):
        for j, cell in enumerate(row[1:]):
            count = int(((Y[:30] == i) & (said == j)).sum())
            low, high = wilson_interval(count, 10)
            inside = [f"{count}", f"{count / 10:.0%}", f"{low:.0%} to {high:.0%}"]
            assert re.findall(r"[^<>]+(?=<|$)", re.sub("</?small>", "<>", cell)) == inside
    by_class = rows_of(page, "By class, with 95% intervals")
    right = int(((Y[:30] == 1) & (said == 1)).sum())
    low, high = wilson_interval(right, 10)
    assert by_class[2][:2] == [NAMES[1], "10"]
    assert by_class[2][3] == f"{right / 10:.3f} ({low:.3f} to {high:.3f})"


def test_the_worst_mistakes_are_beside_where_it_looked(run):
    """The surest mistake comes first, with Grad-CAM of what was said."""
    _, model, page = run
    text = page.read_text(encoding="utf-8")
    worst = evaluation.worst_mistakes(model, X[:30], Y[:30])
    first = text[text.index("<figure><div>") :]
    found = explain.grad_cam(model, X[worst[0].sample], worst[0].said)
    label = f"where the network looked for {found.name} in image {worst[0].sample}"
    assert covered(X[worst[0].sample], found.map, label) in first
    assert f"said {worst.name(worst[0].said)}, {worst[0].sure:.1%} sure" in shown(page)
    assert f"image {worst[0].sample} of mine.h5" in shown(page)
    assert first.index(f"image {worst[0].sample} of") < first.index(f"image {worst[1].sample} of")


class Strict(HTMLParser):
    """All attributes of a page."""

    def __init__(self):
        super().__init__()
        self.attributes, self.tags = [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs


def test_nothing_is_loaded_run_or_smuggled_in(run):
    """No script, no style within, no address but of its own parts; names are text."""
    found = Strict()
    found.feed(run[2].read_text(encoding="utf-8"))
    assert not {"script", "b", "i", "iframe", "object", "link"} & set(found.tags)
    names = {name for name, _ in found.attributes}
    assert not {"style", "srcset", "action"} & names
    assert not [name for name in names if name.startswith("on")]
    for name, value in found.attributes:
        assert name != "src" or value.startswith("data:image/png;base64,")
        assert name != "href" or value.startswith("#")
    (policy,) = [value for name, value in found.attributes if value and "default-src" in value]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert "script-src" not in policy
    ids = [value for name, value in found.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    targets = [v[1:] for n, v in found.attributes if n == "href"]
    targets += re.findall(r"url\(#([\w-]+)\)", run[2].read_text(encoding="utf-8"))
    assert set(targets) <= set(ids)
    assert run[2].stat().st_size < 500_000


def test_what_was_trained_on_what(run):
    """Layers, parameters, optimizer, loss, data, images of each class, epochs and where."""
    text = shown(run[2])
    layers = rows_of(run[2], "The layers, and what an image takes in each")
    assert layers[3][:5] == ["conv2d (Conv2D)", "(N, 6, 6, 4)", "3x3", "3x3", "112"]
    assert "SGD(learning_rate=0.01" in text
    assert "SparseCategoricalCrossentropy" in text
    assert "60 of shape (8, 8, 3), uint8" in text
    assert [row[1:] for row in rows_of(run[2], "Images of each class")[1:]] == [["20", "10"]] * 3
    assert "model.fit(x, y, epochs=2, batch_size=32, shuffle=True" in text
    assert "median of 2, with its validation" in text
    assert f"NumPy {np.__version__}" in text
    assert "This page was made with another" not in text
    numbers = rows_of(run[2], "What each epoch brought")
    assert numbers[0] == ["epoch", "loss", "accuracy", "val_loss", "val_accuracy"]
    assert len(numbers) == 3


def cubic(y, p):
    """A custom loss."""
    return ops.mean(ops.abs(y - p) ** 3, axis=-1)


def two_outputs():
    x = Input((8, 8, 3))
    y = GlobalAvgPool()(Conv2D(2, 3)(Rescaling(1 / 255)(x)))
    return Model(x, [Dense(3, activation="softmax", name="a")(y), Dense(1, name="b")(y)], seed=0)


def pixels():
    last = Conv2D(2, 3, padding="same", activation="softmax")
    return Sequential([Input((8, 8, 3)), Rescaling(1 / 255), last], seed=0)


def plain():
    layers = [Input((192,)), Rescaling(1 / 255), Dense(3, activation="softmax")]
    return Sequential(layers, seed=0)


SPARSE = "sparse_categorical_crossentropy"
SEVERAL = np.stack([Y == 0, Y > 0, Y == 5], 1).astype(float)
KINDS = {
    "sigmoid": (lambda: network(Dense(1, activation="sigmoid")), (Y > 0) * 1, "bce",
                ["Accuracy 0.", "Always saying 1 would be right in 0.667"]),
    "logits": (lambda: network(Dense(3)), Y, losses.SparseCategoricalCrossentropy(from_logits=True),
               ["Accuracy 0.", "looked for what it said"]),
    "one-hot": (network, np.eye(3)[Y], "categorical_crossentropy", ["Accuracy 0."]),
    "labels": (lambda: network(Dense(3, activation="sigmoid")), SEVERAL, "bce",
               ["All labels are right for 0.", "of 90 labels are wrong", "no interval"]),
    "numbers": (lambda: network(Dense(1)), Y / 2, "mse",
                ["Mean absolute error 0.", "Grad-CAM is of classes, and left out."]),
    "custom loss": (lambda: network(Dense(1)), Y / 2, cubic,
                    ["Mean absolute error 0.", "are custom and not here"]),
    "rows": (plain, Y, SPARSE, ["Accuracy 0.", "Grad-CAM needs maps"]),
    "pixels": (pixels, (X.mean(-1) > 99) * 1, SPARSE,
               ["Loss 0.", "accuracy", "(no interval: how many", "Left out, as are the figures"]),
}  # fmt: skip


@pytest.mark.usefixtures("no_curves")
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_model_has_its_report(kind, tmp_path):
    """Classes by one output or several, labels, numbers, pixels: each says what it is about."""
    make, y, loss, says = KINDS[kind]
    metrics = ["mae"] if kind in ("numbers", "custom loss") else ["accuracy"]
    x = X.reshape(len(X), -1) if kind == "rows" else X
    trained(tmp_path, make(), x=x, y=y, loss=loss, epochs=1, metrics=metrics)
    page = tmp_path / "page.html"
    report_page(tmp_path, page, train=(x[30:], y[30:]), test=(x[:30], y[:30]))
    for one in says:
        assert one in shown(page)


@pytest.mark.usefixtures("no_curves")
def test_two_outputs_have_the_intervals_of_their_accuracies(tmp_path):
    """Figures by output, as evaluate gives them."""
    model, ys = two_outputs(), [Y, Y / 2]
    model.compile("adam", [SPARSE, "mse"], metrics=[["accuracy"], ["mae"]])
    model.fit(X, ys, checkpoint=tmp_path, verbose=0)
    report_page(tmp_path, tmp_path / "page.html", test=(X, ys))
    found = dict(rows_of(tmp_path / "page.html", "On the test images")[1:])
    right = int((model.predict(X)[0].argmax(axis=1) == Y).sum())
    low, high = wilson_interval(right, 90)
    assert found["a_accuracy"] == f"{right / 90:.3f} (95% interval {low:.3f} to {high:.3f})"
    assert " of 90 training images, a mean over the epoch" in shown(tmp_path / "page.html")


@pytest.mark.usefixtures("no_curves")
def test_without_data_the_run_itself_tells(tmp_path):
    """The accuracy has its interval of as many images as the run had; the rest is left out."""
    trained(tmp_path, optimizer="sgd")
    page = tmp_path / "page.html"
    report_page(tmp_path, page)
    right = round(30 * runs.load_run(tmp_path).history.history["val_accuracy"][-1])
    low, high = wilson_interval(right, 30)
    assert f"{right / 30:.3f} (95% interval {low:.3f} to {high:.3f}) of 30 valid" in shown(page)
    assert "there are no test images" in shown(page)
    with pytest.raises(DataError, match=r"expected test as an HDF5 file, a data set or \(x, y\)"):
        report_page(tmp_path, page, test=3)
    with pytest.raises(DataError, match="a label for each training image, got 90 for 30"):
        report_page(tmp_path, page, train=(X[:30], Y))
    with pytest.raises(ShapeError, match=r"\(N, 8, 8, 3\), got"):
        report_page(tmp_path, page, test=(X[:, :4], Y))
    with pytest.raises(ConfigError, match="got a folder without"):
        report_page(tmp_path.parent, page)


@pytest.mark.usefixtures("no_curves")
def test_other_images_than_the_runs_are_named(run, tmp_path):
    """Images that were changed, or are fewer, since it was trained."""
    x = X[:30].copy()
    x[0, 0, 0, 0] += 1
    report_page(run[0], tmp_path / "page.html", train=(X, Y), test=(x, Y[:30]))
    assert "These are not the test images that the run had." in shown(tmp_path / "page.html")
    assert "(60, 8, 8, 3); these are (90, 8, 8, 3)" in shown(tmp_path / "page.html")
    with pytest.raises(DataError, match="of the classes cat, "):
        report_page(run[0], tmp_path / "page.html", test=Dataset(X, Y, ["a", "b", "c"]))


@pytest.mark.usefixtures("no_curves")
def test_a_checkpoint_of_an_older_minicnn(run, tmp_path):
    """Where it does not say how long it took and where, that is said; the machine is now's."""
    found = runs.load_run(run[0])
    for name in ("ran", "machine", "network"):
        del found.tree[name]
    report_page(found, tmp_path / "page.html", test=(X[:30], Y[:30]))
    text = shown(tmp_path / "page.html")
    assert "not known: the checkpoint is of an older minicnn" in text
    assert "Of now: the checkpoint does not say that of the run." in text
    assert "its network is not here" in text
    assert "SGD(" in text


@pytest.mark.usefixtures("no_curves")
@pytest.mark.parametrize(
    ("name", "value"),
    [("ran", {"asked": 3}), ("ran", {"seconds": "x"}), ("about", {"data": [1]}), ("step", [])],
)
def test_a_damaged_checkpoint_is_one_line(run, name, value, tmp_path):
    """What is no checkpoint of a run is refused as such, or has no part in the page."""
    found = runs.load_run(run[0])
    found.tree[name] = value
    with contextlib.suppress(ModelFileError):
        report_page(found, tmp_path / "page.html", train=(X, Y))


@pytest.mark.usefixtures("no_curves")
def test_a_schedule_is_a_curve(tmp_path):
    """The rate at each epoch's end, which no history has."""
    trained(tmp_path, optimizer=SGD(CosineDecay(0.1, 4)))
    report_page(tmp_path, tmp_path / "page.html")
    assert "learning_rate over the epochs; at the end training 0.0146" in (
        (tmp_path / "page.html").read_text()
    )


def fine(n=240, classes=3):
    x = RNG.integers(0, 256, (n, 8, 8, 1), dtype=np.uint8)
    return x, np.arange(n) % classes


def ailing(name):
    """(training images, test images) with one thing wrong."""
    (x, y), (tx, ty) = fine(), fine()
    if name == "imbalance":
        ty = np.where(np.arange(len(ty)) % 20, 0, np.arange(len(ty)) // 20 % 2 + 1)
    elif name == "classes not in the test":
        ty = ty - ty % 2
    elif name == "few images":
        x, y = x[:60], y[:60]
    elif name == "few test images":
        tx, ty = tx[:60], ty[:60]
    elif name == "other ranges":
        tx = tx / 255
    elif name == "duplicates":
        x[7] = x[3]
    elif name == "test images in training":
        tx[5] = x[2]
    elif name == "constant images":
        tx[5] = 7
    return [Part("training", x, y), Part("test", tx, ty)]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("imbalance", "Of the test images 228 are of a (95%), and 6 of b."),
        ("classes not in the test", "There is no test image of class b."),
        ("few images", "A class has no more than 20 training images."),
        ("few test images", "60 test images tell an accuracy within 13 points at worst."),
        ("other ranges", "The training images reach 255, the test images 1."),
        ("duplicates", "another one: 7 is 3. 1 of them with another label: 7."),
        ("test images in training", "a training image: test image 5 is training image 2."),
        ("constant images", "1 test image has the same number everywhere (1 of one grey): 5."),
    ],
)
def test_dangers_of_the_data(name, says):
    """Each is found alone, and named with its numbers."""
    (found,) = dangers(ailing(name), ["a", "b", "c"])
    assert found.name == name
    assert says in found.sentence
    assert found.remedy.endswith(".")


@pytest.mark.usefixtures("no_curves")
def test_the_doctor_is_asked(tmp_path):
    """What ails a run comes before its data's dangers; without its images nobody is asked."""
    model = Sequential([Input((8, 8, 3)), Flatten(), Dense(3, activation="softmax")], seed=0)
    with pytest.warns(RuntimeWarning, match="unscaled"):
        trained(tmp_path, model)
    report_page(tmp_path, tmp_path / "page.html", train=(X[30:], Y[30:]), test=(X[:30], Y[:30]))
    text = shown(tmp_path / "page.html")
    assert text.index("Images not scaled.") < text.index("Few images.")
    report_page(tmp_path, tmp_path / "page.html", test=(X[:30], Y[:30]))
    assert "The doctor was not asked" in shown(tmp_path / "page.html")


def test_good_data_are_silent():
    """Nothing is said where nothing is wrong."""
    assert dangers(ailing(""), ["a", "b", "c"]) == []


def test_pictures_are_png_files():
    """What Pillow reads of them are the pixels, in grey and in colours."""
    from PIL import Image

    for shape in ((3, 5), (4, 2, 3)):
        pixels = RNG.random(shape)
        found = np.asarray(Image.open(io.BytesIO(png(pixels))))
        np.testing.assert_array_equal(found, np.rint(pixels * 255))


def test_figures_have_no_styles_and_names_of_their_own():
    """Two figures on a page share no name, and take the page's colours."""
    figure = plot_history({"<loss>": [1.0, 0.5], "val_<loss>": [1.0, 0.7]})
    one, two = (svg(figure, 'a "label"', i) for i in (1, 2))
    for text in (one, two):
        assert "style" not in text
        assert "var(--first)" in text
        assert 'aria-label="a &quot;label&quot;"' in text
        assert "&lt;loss&gt;" in text
    names = [set(re.findall(r'id="([^"]+)"', text)) for text in (one, two)]
    assert names[0]
    assert not names[0] & names[1]


def test_large_images_are_small_on_the_page():
    """A picture of 448 pixels becomes one of 112, whose pixels are the means."""
    image = np.zeros((448, 224, 3), np.uint8)
    image[:, 112:] = 255
    from PIL import Image

    content = re.search('base64,([^"]+)"', picture(image, "it"))[1]
    small = Image.open(io.BytesIO(base64.b64decode(content)))
    assert small.size == (56, 112)
    assert small.getpixel((10, 50)) == (0, 0, 0)
    assert small.getpixel((50, 50)) == (255, 255, 255)
