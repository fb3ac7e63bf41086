"""``python -m minicnn`` is ``minicnn``."""

from minicnn._cli.main import command

if __name__ == "__main__":
    raise SystemExit(command())
