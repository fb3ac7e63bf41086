"""One HTML file of a page's parts: markup, styles, scripts and data."""

import base64
import hashlib
import json
from html import escape
from importlib.resources import files
from typing import Any


def document(title: str, html: str, css: str, scripts: list[str], data: Any) -> str:
    """A page of the package's files of these names, with ``data`` as what its scripts read.

    The Content-Security-Policy lets exactly these styles and scripts run, and nothing be loaded,
    sent or framed.
    """
    style, script = _source(css), "\n".join(map(_source, scripts))
    policy = (
        f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    page = _source(html)
    for name, content in (
        ("policy", policy),
        ("title", escape(title)),
        ("style", style),
        ("data", as_json(data)),
        ("script", script),
    ):
        before, after = page.split(f"{{{{{name}}}}}")
        page = before + content + after
    return page


def as_json(data: Any) -> str:
    """JSON that can stand within a script element, whatever is in its texts.

    >>> as_json("</script>")
    '"\\\\u003c/script\\\\u003e"'
    """
    text = json.dumps(data, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _source(name: str) -> str:
    return (files("minicnn.pages") / name).read_text(encoding="utf-8")


def _digest(content: str) -> str:
    digest = hashlib.sha256(content.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"
