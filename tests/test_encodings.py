"""Content encodings: what an Accept-Encoding header asks for, and that bytes come back as they went."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoserver.encodings import Packer, choose_encoding, compress, decompress

NAMES = ["gzip", "br", "zstd", "identity"]


@pytest.mark.parametrize(
    ("header", "chosen"),
    [
        ("", "identity"),
        ("gzip", "gzip"),
        ("gzip, deflate, br, zstd", "br"),
        ("gzip, deflate, br", "br"),
        ("br;q=0.5, gzip", "gzip"),
        ("br; q=1.0, GZIP;q=0.5", "br"),
        ("zstd;q=0, br;q=0, gzip;q=0.001", "gzip"),
        ("gzip;q=0", "identity"),
        ("identity;q=1, gzip;q=0.5", "identity"),
        ("gzip;q=0.5", "gzip"),
        ("*", "br"),
        ("br;q=0, *;q=0.3", "zstd"),
        ("*;q=0", "identity"),
        ("identity;q=0, *;q=0", "identity"),
        ("deflate, compress", "identity"),
        ("gzip;q=nan", "identity"),
        ("gzip;q=2", "identity"),
        ("gzip;q=", "identity"),
        (",;,=", "identity"),
        ("x" * 1000 + ", gzip", "gzip"),
    ],
)
def test_the_encoding_is_the_one_that_the_client_likes_best(header: str, chosen: str) -> None:
    assert choose_encoding(header) == chosen


@given(st.text(max_size=400))
def test_no_header_breaks_the_choice(header: str) -> None:
    assert choose_encoding(header) in NAMES


@pytest.mark.parametrize("name", NAMES)
def test_what_is_compressed_comes_back_and_is_always_the_same(name: str) -> None:
    body = bytes(range(256)) * 500
    packed = compress(body, name)
    assert decompress(packed, name) == body
    assert compress(body, name) == packed
    assert name == "identity" or len(packed) < len(body) / 10


@pytest.mark.parametrize("name", NAMES[:3])
def test_what_is_compressed_in_pieces_or_as_well_as_can_be_comes_back(name: str) -> None:
    body = bytes(range(256)) * 500
    packer = Packer(name)
    pieces = [packer.add(body[at : at + 1000]) for at in range(0, len(body), 1000)]
    assert decompress(b"".join([*pieces, packer.finish()]), name) == body
    assert decompress(compress(body, name, best=True), name) == body
