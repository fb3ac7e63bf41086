"""``minicnn explain``: a page that shows how a saved model sees pictures."""

import argparse
from pathlib import Path

from minicnn._cli.classifying import check_images
from minicnn._cli.convert import read_model
from minicnn._cli.options import MODEL_HELP, Commands, add_keys
from minicnn._cli.predict import HDF5_ENDINGS
from minicnn._core.console import say
from minicnn._core.shapes import Array
from minicnn.data import load_images
from minicnn.data.images import load_image
from minicnn.errors import ConfigError, printable
from minicnn.models.model import Model

MOST = 50
"""Pictures of one page."""


def add(commands: Commands) -> None:
    """Add the command."""
    command = commands.add_parser(
        "explain",
        help="write a page that shows how a model computes",
        description="Write one HTML file, for any browser and without a network: every layer's "
        "maps, every number with the products and the sum that it is, and Grad-CAM.",
    )
    command.add_argument("model", type=Path, help=MODEL_HELP)
    command.add_argument(
        *("images",),
        nargs="+",
        metavar="PICTURE",
        help="pictures; of an HDF5 file FILE.h5[3] is one, FILE.h5 the first ten",
    )
    command.add_argument(
        *("--out",),
        type=Path,
        metavar="FILE.html",
        help="the page; default: explain.html beside the model",
    )
    add_keys(command, "--x-key")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write the page, and print where it is."""
    from minicnn.pages import explain_page

    model = read_model(options.model)
    if len(model.inputs) != 1 or len(model.input_shape) != 3:
        raise ConfigError(
            f"{options.model}: expected a model of one image (H, W, C), got inputs "
            f"{model.input_shapes}."
        )
    out = options.out or options.model.parent / "explain.html"
    if out.suffix.lower() not in (".html", ".htm"):
        raise ConfigError(f"{out}: expected a name that ends in .html. Give --out FILE.html.")
    pictures: dict[str, Array] = {}
    for given in options.images:
        for name, image in _pictures(model, given, options.x_key).items():
            pictures[name if name not in pictures else f"{name} of {given}"] = image
    if len(pictures) > MOST:
        raise ConfigError(f"explain: expected at most {MOST} pictures, got {len(pictures)}.")
    explain_page(model, pictures, out)
    many = f"{len(pictures)} picture{'s' * (len(pictures) != 1)}"
    say(f"{printable(str(out))}: {many}, {out.stat().st_size:,} bytes. Open it in a browser.")
    return 0


FIRST = 10
"""Pictures of an HDF5 file that names none."""


def _pictures(model: Model, given: str, x_key: str | None) -> dict[str, Array]:
    """The pictures of a file by name, or the one whose number stands behind it."""
    name, bracket, number = given.partition("[")
    chosen = bool(bracket) and number.endswith("]") and not Path(given).exists()
    path = Path(name if chosen else given)
    if path.suffix.lower() not in HDF5_ENDINGS:
        return {path.name: load_image(path, model.input_shape)}
    x = load_images(path, x_key)
    check_images(model, path, x)
    if not chosen:
        return {f"{path.name}[{i}]": image for i, image in enumerate(x[:FIRST])}
    digits = number[:-1]
    if not (digits.isascii() and digits.isdigit() and int(digits) < len(x)):
        raise ConfigError(
            f"{path}: expected the number of a picture from 0 to {len(x) - 1} within [], got "
            f"{digits!r}."
        )
    return {f"{path.name}[{int(digits)}]": x[int(digits)]}
