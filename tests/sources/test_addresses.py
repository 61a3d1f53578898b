"""No password or key of an address is in what is shown, in whatever pieces an error holds it."""

from __future__ import annotations

import pytest

from embgeo.files.addresses import redacted, without_key


@pytest.mark.parametrize(
    ("address", "said", "shown"),
    [
        ("postgresql://u:s3cr%zzet@h/db", 'invalid percent-encoded token: "s3cr%zzet"', "postgresql://u@h/db"),
        ("redis://:s3c/ret@h:1", "Port could not be cast to integer value as 's3c'", "redis://h:1"),
        ("http://s3cretkey@h:6333", "cannot reach http://s3cretkey@h:6333", "http://h:6333"),
        ("http://h:6333?api_key=s3cret", "401 for api_key=s3cret", "http://h:6333"),
        ("postgresql://u:p%40ss%20word@h/db", "password 'p@ss word' is wrong", "postgresql://u@h/db"),
    ],
)
def test_nothing_secret_is_shown(address: str, said: str, shown: str) -> None:
    assert without_key(address) == shown
    told = redacted(said, address)
    for secret in ("s3cr", "s3c", "s3cret", "p@ss", "word'"):
        assert secret not in told, told
