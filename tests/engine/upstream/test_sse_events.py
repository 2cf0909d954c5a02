"""Server-sent events: what the standard says, wherever the bytes are cut."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optillm.engine.upstream.sse_events import EventReader, ServerEvent


def read(*pieces: bytes) -> list[tuple[str, bytes]]:
    """Names and data of all events of a stream that comes in these pieces."""
    reader = EventReader()
    events = [event for piece in pieces for event in reader.feed(piece)]
    return [(event.name, event.data) for event in [*events, *reader.close()]]


def by_the_standard(stream: bytes) -> list[tuple[str, bytes]]:
    """The algorithm of the standard, line by line, with the last event read though its blank line is missing."""
    lines = stream.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    events, name, data = list[tuple[str, bytes]](), "", list[bytes]()
    for line in [*lines, b""]:
        if not line:
            if data:
                events.append((name, b"\n".join(data)))
            name, data = "", []
            continue
        field, _, value = line.partition(b":")
        value = value[1:] if value.startswith(b" ") else value
        if field == b"data":
            data.append(value)
        elif field == b"event":
            name = value.decode(errors="replace")
    return events


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data: a\n\ndata: b\n\n", [("", b"a"), ("", b"b")]),
        (b"data: a\r\n\r\ndata: b\r\n\r\n", [("", b"a"), ("", b"b")]),
        (b"data: a\r\rdata: b\r\r", [("", b"a"), ("", b"b")]),
        (b"data: a\n\r\ndata: b\r\n\n", [("", b"a"), ("", b"b")]),
        (b"data:a\n\n", [("", b"a")]),
        (b"data:  a \n\n", [("", b" a ")]),
        (b"data: {\ndata: }\n\n", [("", b"{\n}")]),
        (b"data:\n\ndata\n\n", [("", b""), ("", b"")]),
        (b"\xef\xbb\xbfdata: a\n\n", [("", b"a")]),
        (b"\n\n\n\ndata: a\n\n\n\n\ndata: b\n\n", [("", b"a"), ("", b"b")]),
        (b": ping\n\n: data: x\ndata: a\n\n", [("", b"a")]),
        (b"id: 7\nretry: 100\nevent: delta\ndata: a\n\n", [("delta", b"a")]),
        (b"event: lost\n\ndata: a\n\n", [("", b"a")]),
        (b"event: error\ndata: no\n\n", [("error", b"no")]),
        (b"error: no\n\ndata: [DONE]", [("error", b"no"), ("", b"[DONE]")]),
        (b"datum: a\nDATA: a\n\n", []),
        (b"data: a", [("", b"a")]),
        (b"data: a\nevent: x", [("x", b"a")]),
        (b"", []),
        (b"\xef\xbb\xbf", []),
        (b"\r", []),
        ("data: a\u2028b\x85c\x0bd\n\n".encode(), [("", "a\u2028b\x85c\x0bd".encode())]),
    ],
)
def test_events_are_read_as_the_standard_says(stream: bytes, events: list[tuple[str, bytes]]) -> None:
    assert read(stream) == events
    assert read(*(stream[position : position + 1] for position in range(len(stream)))) == events


LINES = st.lists(
    st.sampled_from(
        [
            b"",
            b"",
            b"data: a",
            b"data:b",
            b"data",
            b"data:",
            b": c",
            b"event: x",
            b"id: 1",
            b"data: \xf0\x9f\x98\x80",
        ]
    ),
    max_size=12,
)
ENDS = st.lists(st.sampled_from([b"\n", b"\r", b"\r\n"]), min_size=12, max_size=12)


@given(LINES, ENDS, st.booleans(), st.lists(st.integers(0, 200), max_size=8))
def test_any_split_of_the_bytes_gives_the_same_events(
    lines: list[bytes], ends: list[bytes], marked: bool, cuts: list[int]
) -> None:
    stream = b"".join(line + end for line, end in zip(lines, ends, strict=False))
    stream = b"\xef\xbb\xbf" + stream if marked else stream
    cut_at = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    pieces = [stream[start:end] for start, end in pairwise(cut_at)]
    assert read(*pieces) == by_the_standard(stream)


@given(st.binary(max_size=60), st.integers(0, 60))
def test_no_bytes_break_the_reader(stream: bytes, cut: int) -> None:
    assert read(stream[:cut], stream[cut:]) == read(stream)


def test_an_event_leaves_with_the_byte_that_completes_it() -> None:
    for end in (b"\n", b"\r", b"\r\n"):
        reader = EventReader()
        assert reader.feed(b"data: a" + end) == []
        assert reader.feed(end[:1]) == [ServerEvent("", b"a")]


def test_an_event_in_a_hundred_thousand_pieces_is_not_joined_anew_for_each_of_them() -> None:
    reader, piece, count = EventReader(), b"x" * 100, 100_000  # a join for each piece would copy 500 GB
    reader.feed(b"data: ")
    for _ in range(count):
        assert reader.feed(piece) == []
    assert len(reader.feed(b"\n\n")[0].data) == len(piece) * count
