"""Which format a file is in, and the boundary around the readers."""
from __future__ import annotations

import struct
from types import SimpleNamespace
from typing import Any
from typing import cast

import pytest

from git_model_driver.core.errors import FormatError
from git_model_driver.core.layout import Extent
from git_model_driver.core.layout import Layout
from git_model_driver.core.layout import Tensor
from git_model_driver.formats import base
from git_model_driver.formats import registry
from tests.testing.models import SAMPLES


@pytest.mark.parametrize('name', SAMPLES)
def test_files_are_known_by_their_content(name: str) -> None:
    layout = registry.read_any(SAMPLES[name]())
    expected = None if name in ('text', 'one byte') else name.split()[0].strip(',')
    assert (layout.format if layout else None) == expected


@pytest.mark.parametrize('data', [
    b'', b'\0', b'{}', b'PK\3\4', b'\x93NUMPY', b'\0' * 99,
])
def test_anything_else_is_opaque(data: bytes) -> None:
    assert registry.read_any(data) is None


def test_a_format_is_found_by_its_name() -> None:
    assert all(registry.find(name).NAME == name for name in registry.FORMATS)
    with pytest.raises(FormatError) as e:
        registry.find('gguf9')
    assert e.value.message == "the format 'gguf9' is not known here"
    assert 'upgrade' in e.value.hints[0]


@pytest.mark.parametrize('error', [
    ValueError('x'), KeyError('x'), IndexError(), TypeError(), AttributeError(),
    OverflowError(), ZeroDivisionError(), EOFError(), struct.error(), RecursionError(),
    MemoryError(), SyntaxError('x'), UnicodeDecodeError('utf-8', b'', 0, 1, 'x'),
])
def test_whatever_a_reader_raises_for_a_bad_file_is_a_format_error(
    error: Exception,
) -> None:
    def read(source: object) -> Layout:
        raise error

    with pytest.raises(FormatError, match=type(error).__name__):
        base.read(cast(Any, SimpleNamespace(NAME='any', read=read)), b'')


def test_a_reader_that_gives_overlapping_extents_is_not_believed() -> None:
    def read(source: object) -> Layout:
        return Layout('any', 9, tuple(
            Tensor(str(i), 'U8', (5,), Extent(i, 5)) for i in range(2)
        ))

    with pytest.raises(FormatError, match='overlaps'):
        base.read(cast(Any, SimpleNamespace(NAME='any', read=read)), b'')
