"""Errors say what failed and what to do."""
from __future__ import annotations

import pytest

from git_model_driver.core import errors


def every(kind: type[errors.GitModelError]) -> list[type[errors.GitModelError]]:
    return [kind, *(e for child in kind.__subclasses__() for e in every(child))]


@pytest.mark.parametrize('kind', every(errors.GitModelError))
def test_an_error_prints_its_hints(kind: type[errors.GitModelError]) -> None:
    error = kind('what', 'do this', 'or that')
    assert str(error) == 'error: what\nhint: do this\nhint: or that'
    assert str(kind('what')) == 'error: what'
    assert kind.exit_code == {'UsageError': 129, 'HookExists': 1}.get(
        kind.__name__, 128,
    )
    assert kind.__name__ in (errors.__doc__ or '')
