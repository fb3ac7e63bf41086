"""How much there is in an ONNX file, counted before it is parsed.

Parsed, a message that takes two bytes in the file takes a hundred in memory. Most of a large file
must therefore be the numbers of its arrays, or text; the rest, its structure, is limited. A
protobuf message is a row of fields: a varint with number and kind, then the value.
"""

from minicnn.errors import ModelFileError

STRUCTURE_LIMIT = 2 << 20
"""How many bytes of a file may be neither numbers of arrays nor text."""

BULK = ""
INSIDE: dict[str, dict[int, str]] = {
    "model": {6: BULK, 7: "graph", 14: "entry"},
    "graph": {1: "node", 5: "tensor", 10: BULK},
    "node": {5: "attribute", 6: BULK, 9: "entry"},
    "attribute": {4: BULK, 5: "tensor", 13: BULK},
    "tensor": {4: BULK, 9: BULK, 10: BULK, 12: BULK},
    "entry": {1: BULK, 2: BULK},
}
"""Message -> number of a field -> its kind: a message, or bytes, which stay as many in memory."""


def check_structure(data: bytes) -> None:
    """Raise ``ModelFileError`` for a file with too much structure, or that is no protobuf message.

    >>> check_structure(bytes([8, 8]))
    >>> check_structure(bytes([8]))
    Traceback (most recent call last):
    minicnn.errors.ModelFileError: expected an ONNX file, got another kind, or a damaged one.
    """
    try:
        structure = _structure(data)
    except IndexError:
        raise ModelFileError("expected an ONNX file, got another kind, or a damaged one.") from None
    if structure > STRUCTURE_LIMIT:
        raise ModelFileError(
            f"expected at most {STRUCTURE_LIMIT:,} bytes besides the arrays, got more."
        )


def _structure(data: bytes) -> int:
    """The bytes that are neither numbers nor text, or more than the limit; IndexError if cut."""
    structure, todo = 0, [("model", 0, len(data))]
    while todo and structure <= STRUCTURE_LIMIT:
        message, at, end = todo.pop()
        while at < end and structure <= STRUCTURE_LIMIT:
            start = at
            key, at = _varint(data, at, end)
            kind = key & 7
            size = 0
            if kind == 0:
                _, at = _varint(data, at, end)
            elif kind == 2:
                size, at = _varint(data, at, end)
            elif kind in (1, 5):
                at += 8 if kind == 1 else 4
            else:
                raise IndexError
            structure += at - start
            inside = INSIDE[message].get(key >> 3) if kind == 2 else None
            if inside is None:
                structure += size
            elif inside != BULK:
                todo.append((inside, at, at + size))
            at += size
            if at > end:
                raise IndexError
    return structure


def _varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    """A whole number in groups of seven bits, the lowest first, and the place after it."""
    value = shift = 0
    while True:
        if at >= end or shift > 63:
            raise IndexError
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
