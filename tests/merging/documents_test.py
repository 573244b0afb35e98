from __future__ import annotations

import json
from typing import Any

import pytest

from git_model_driver.merging import documents
from git_model_driver.merging.units.base import Unsettled


def layer(name: str, **config: Any) -> dict[str, Any]:
    return {'class_name': 'Dense', 'config': {'name': name, **config}}


def merge(base: Any, *sides: Any) -> Any:
    return json.loads(documents.merge(json.dumps(base), [json.dumps(s) for s in sides]))


def test_layers_are_merged_by_their_names() -> None:
    base = {'layers': [layer('a', u=1), layer('b', u=1)], 'x': 1}
    ours = {'layers': [layer('a', u=2), layer('b', u=1)], 'x': 1}
    theirs = {'layers': [layer('a', u=1), layer('n'), layer('b', u=3)], 'x': 2}
    assert merge(base, ours, theirs) == {
        'layers': [layer('a', u=2), layer('n'), layer('b', u=3)], 'x': 2,
    }


@pytest.mark.parametrize('ours, theirs, reason', [
    ({'x': 2}, {'x': 3}, 'x: both sides changed it'),
    ({'x': 1, 'layers': [layer('a'), layer('n')]},
     {'x': 1, 'layers': [layer('a'), layer('m')]},
     'layers: both sides added to it at one place'),
    ({'x': 1, 'layers': []}, {'x': 1, 'layers': [layer('a', u=1)]},
     'layers: both sides changed it'),
])
def test_what_cannot_be_settled(ours: Any, theirs: Any, reason: str) -> None:
    with pytest.raises(Unsettled) as caught:
        merge({'x': 1, 'layers': [layer('a')]}, ours, theirs)
    assert str(caught.value) == reason


@pytest.mark.parametrize('texts', [
    ('a', 'b', 'c'), ('{', '{}', '{}'), ('{}', '{"a":1}', '3'), ('{}', 'x', None),
])
def test_what_is_no_document(texts: tuple[str, ...]) -> None:
    with pytest.raises(Unsettled, match='both sides changed it'):
        documents.merge(texts[0], texts[1:])
