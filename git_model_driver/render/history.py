"""How versions came to be, in words."""
from __future__ import annotations

from git_model_driver.core import words
from git_model_driver.history import how as hows
from git_model_driver.history.how import How

_SHORT = 8


def how(found: How) -> str:
    """``merged by linear (0.7 0.3)``; '' for what was simply committed."""
    if found.kind == hows.COMMITTED:
        return ''
    if found.of:
        return f'{_VERBS[found.kind]} {found.of[:_SHORT]}'
    said = found.kind
    if found.methods:
        said += f' by {words.printable(" or ".join(found.methods))}'
    if found.weights is not None:
        said += f' ({" ".join(f"{weight:g}" for weight in found.weights)})'
    return said


_VERBS = {hows.REVERTED: 'reverts', hows.PICKED: 'picked from'}
