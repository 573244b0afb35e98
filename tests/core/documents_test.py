from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from git_model_driver.core import documents
from tests.testing.properties import PROPERTY

VALUES = st.recursive(
    st.none() | st.integers() | st.text(max_size=3), lambda below: (
        st.lists(below, max_size=3) | st.dictionaries(st.sampled_from(
            ['name', 'config', 'a', 'b']), below, max_size=3)), max_leaves=12)


@PROPERTY
@given(VALUES)
def test_plain_undoes_keyed(value: object) -> None:
    assert documents.plain(documents.keyed(value)) == value


def test_a_document_as_lines() -> None:
    text = '{"layers":[{"config":{"name":"a","u":[1,2]}},{"name":"b"}],"x":{}}'
    assert documents.flattened(text) == [
        ('layers.a.config.name', '"a"'), ('layers.a.config.u', '[1,2]'),
        ('layers.b.name', '"b"'), ('x', '{}'),
    ]
    assert documents.flattened('[1]') is None and documents.flattened('{') is None
    assert documents.flattened('{"a":' * 60 + '1' + '}' * 60) is None
