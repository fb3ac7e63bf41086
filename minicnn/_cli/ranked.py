"""``python -m minicnn._cli.ranked SCRIPT ...``: a script on one of several processes.

They know each other before the script begins, so that none waits for one that fails in it.
"""

import runpy
import sys
from pathlib import Path

from minicnn._parallel.ranks import world


def main() -> None:
    """Run the script that the arguments name."""
    ranks = world("launch")
    del sys.argv[0]
    sys.path[0] = str(Path(sys.argv[0]).resolve().parent)
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
    except SystemExit as error:
        if ranks is not None and error.code:
            ranks.exit(error)
        raise


if __name__ == "__main__":
    main()
