"""One HTML file of a page's parts: markup, styles, scripts and data."""

import base64
import hashlib
import json
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from typing import Any


def document(title: str, body: str, styles: Sequence[str], script: str = "") -> str:
    """A page of this body and script, with the package's styles of these names.

    The Content-Security-Policy lets exactly these styles and this script run, pictures stand within
    the page, and nothing be loaded, sent or framed.
    """
    style = "\n".join(map(source, styles))
    policy = (
        f"default-src 'none'; style-src '{_digest(style)}'; "
        + f"script-src '{_digest(script)}'; " * bool(script)
        + "img-src data:; base-uri 'none'; form-action 'none'"
    )
    return filled(source("page.html"), policy=policy, title=escape(title), style=style, body=body)


def filled(template: str, **parts: str) -> str:
    """A text with each ``{{name}}`` replaced by what has that name, whatever is in it.

    >>> filled("<h1>{{title}}</h1>{{body}}", title="{{body}}", body="!")
    '<h1>{{body}}</h1>!'
    """
    made = []
    for name, content in parts.items():
        before, template = template.split(f"{{{{{name}}}}}")
        made += [before, content]
    return "".join([*made, template])


def as_json(data: Any) -> str:
    """JSON that can stand within a script element, whatever is in its texts.

    >>> as_json("</script>")
    '"\\\\u003c/script\\\\u003e"'
    """
    text = json.dumps(data, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def source(name: str) -> str:
    """A file of the package."""
    return (files("minicnn.pages") / name).read_text(encoding="utf-8")


def _digest(content: str) -> str:
    digest = hashlib.sha256(content.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"
