"""The frames between the server and the solver processes.

A frame is its length in four bytes, big-endian, and that many bytes of ASCII JSON. The order for a job is a fixed
record that travels with two descriptors; its end is reported in a fixed record, too.
"""

from __future__ import annotations

import json
import os
import struct
from typing import Any, Final

HEADER: Final = struct.Struct(">I")
ORDER: Final = struct.Struct(">III")
"""Wall limit in milliseconds, processor limit in seconds, address space in megabytes."""
ENDED: Final = struct.Struct(">iI")
"""Wait status of a job, as `os.wait` returns it, and its largest resident set in kilobytes."""

LONGEST_REPLY: Final = 128 * 1024
LONGEST_REQUEST: Final = 512 * 1024

EXIT_NO_JAIL: Final = 70
"""Exit code of a job whose walls could not be put up: it has read nothing."""
EXIT_NO_MEMORY: Final = 71
"""Exit code of a job without enough memory left to report that."""
Z3_OUT_OF_MEMORY: Final = 101
"""Exit code of z3 itself if an allocation fails where it cannot raise."""


def encode(message: dict[str, Any]) -> bytes:
    """Return the frame of `message`; lone surrogates and the like come out as escapes."""
    body = json.dumps(message, ensure_ascii=True, separators=(",", ":")).encode("ascii")
    return HEADER.pack(len(body)) + body


def receive(descriptor: int, longest: int) -> dict[str, Any]:
    """Return the next frame from a blocking descriptor.

    Raises `EOFError` or `ValueError`.
    """
    (length,) = HEADER.unpack(_exactly(descriptor, HEADER.size))
    if length > longest:
        raise ValueError(f"a frame of {length} bytes")
    message = json.loads(_exactly(descriptor, length))
    if not isinstance(message, dict):
        raise ValueError("a frame that is not an object")
    return message


def send(descriptor: int, message: dict[str, Any]) -> None:
    """Write a whole frame to a blocking descriptor."""
    rest = memoryview(encode(message))
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _exactly(descriptor: int, count: int) -> bytes:
    parts = bytearray()
    while len(parts) < count:
        part = os.read(descriptor, min(count - len(parts), 65536))
        if not part:
            raise EOFError
        parts += part
    return bytes(parts)
