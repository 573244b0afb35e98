"""Object ids."""
from __future__ import annotations

import pytest

from git_model_driver.core import oid as oids

OF_NOTHING = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'


def test_an_oid_is_the_sha256_of_the_bytes() -> None:
    oid = oids.of_bytes(b'')
    assert oid == f'sha256:{OF_NOTHING}'
    assert oids.hex_of(oid) == OF_NOTHING
    assert oids.short(oid) == OF_NOTHING[:12]
    assert oids.from_digest(bytes.fromhex(OF_NOTHING)) == oid
    assert oids.is_oid(oid)


@pytest.mark.parametrize('text', [
    '', OF_NOTHING, f'sha256:{OF_NOTHING.upper()}', f'sha256:{OF_NOTHING[1:]}',
    f'sha256:{OF_NOTHING}0', f'sha256:{OF_NOTHING}\n', f'sha1:{OF_NOTHING}',
    'sha256:../../../../etc/passwd', f' sha256:{OF_NOTHING}',
])
def test_nothing_else_is_an_oid(text: str) -> None:
    assert not oids.is_oid(text)
