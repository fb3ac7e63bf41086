"""``python -m minicnn`` is ``minicnn``."""

from minicnn.cli import command

if __name__ == "__main__":
    raise SystemExit(command())
