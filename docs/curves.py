"""The README's picture of a run: what ``minicnn train`` leaves as curves.png, and nothing else.

python docs/curves.py    writes docs/curves.png; takes as long as that command
"""

import argparse
import os
import shutil
import tempfile
from pathlib import Path

from minicnn._cli.main import main as minicnn

PICTURE = Path(__file__).parent / "curves.png"


def main() -> None:
    about = __doc__.partition("\n")[0]
    argparse.ArgumentParser(description=about, usage=argparse.SUPPRESS).parse_args()
    draw(PICTURE)


def draw(picture: Path) -> None:
    """Run the README's command in a folder of its own, and keep the picture."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            if status := minicnn(["train"]):
                raise SystemExit(status)
            shutil.copyfile("runs/fingers-1/curves.png", picture)
        finally:
            os.chdir(before)


if __name__ == "__main__":
    main()
