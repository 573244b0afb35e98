"""Globs over paths and names."""
from __future__ import annotations

import pytest

from git_model_driver.core.choice import Choice


@pytest.mark.parametrize(('glob', 'path', 'holds'), [
    ('*.pt', 'a/b/m.pt', True),
    ('*.pt', 'm.pth', False),
    ('drafts', 'a/drafts/m.pt', True),
    ('drafts/', 'drafts/x/m.pt', True),
    ('a/b', 'a/b/m.pt', True),
    ('a/b', 'x/a/b/m.pt', False),
    ('/m.pt', 'm.pt', True),
    ('/a/m.pt', 'a/m.pt', True),
    ('a/*.pt', 'a/b/m.pt', True),
    ('m.pt', "it's a/m.pt", True),
    ('[', '[', True),
])
def test_a_glob_is_over_the_path_and_its_parts(
    glob: str, path: str, holds: bool,
) -> None:
    assert Choice(include=(glob,)).has_path(path) == holds
    assert Choice(exclude=(glob,)).has_path(path) != holds


def test_everything_is_chosen_where_nothing_is_said() -> None:
    assert Choice().has_path('any') and Choice().has_tensor('any')


def test_what_is_excluded_is_not_included() -> None:
    choice = Choice(('*.pt',), ('drafts',), ('head.*', 'x'))
    assert choice.has_path('m.pt') and not choice.has_path('drafts/m.pt')
    assert choice.has_tensor('head.weight') and not choice.has_tensor('body.weight')
