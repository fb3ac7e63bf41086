"""``python -m minicnn`` is ``minicnn``."""

from minicnn.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
