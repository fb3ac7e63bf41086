"""``minicnn report``: a page that tells of a run."""

import argparse
from pathlib import Path

from minicnn._cli.options import Commands, add_keys, keys_of
from minicnn._core.console import say
from minicnn.data import Dataset, load_hdf5
from minicnn.errors import ConfigError, printable
from minicnn.runs import load_run


def add(commands: Commands) -> None:
    """Add the command."""
    command = commands.add_parser(
        "report",
        help="write a page that tells of a run",
        description="Write one HTML file, for any browser and without a network: how a run went, "
        "how good it is, where it is wrong and where it looked, and how to repeat it.",
    )
    command.add_argument(
        *("folder",),
        type=Path,
        metavar="RUN",
        help="the folder of minicnn train, or of fit(..., checkpoint=folder)",
    )
    for name, what in (("train", "it learned from"), ("test", "to test on")):
        command.add_argument(
            *(f"--{name}",),
            type=Path,
            metavar="FILE",
            help=f"HDF5 file {what}; default: that of the run",
        )
    command.add_argument(
        *("--out",),
        type=Path,
        metavar="FILE.html",
        help="the page; default: report.html in the folder",
    )
    add_keys(command, "--x-key", "--y-key")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write the page, and print where it is."""
    from minicnn.pages import report_page

    found = load_run(options.folder)
    out = options.out or options.folder / "report.html"
    if out.suffix.lower() not in (".html", ".htm"):
        raise ConfigError(f"{out}: expected a name that ends in .html. Give --out FILE.html.")
    keys = keys_of("report", options, found.settings)

    def read(file: Path | None) -> Dataset | None:
        return None if file is None else load_hdf5(file, *keys)

    report_page(found, out, train=read(options.train), test=read(options.test))
    say(f"{printable(str(out))}: {out.stat().st_size:,} bytes. Open it in a browser.")
    return 0
