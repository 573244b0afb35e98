"""What to type where install writes no hook, because somebody else's is there."""
from __future__ import annotations

from pathlib import Path

_OF_LFS = (b'#!/bin/sh\ncommand -v git-lfs ', b'\ngit lfs pre-push "$@"\n')
_PRE_PUSH = (
    'refs=$(cat)',
    'printf "%s\\n" "$refs" | git-model pre-push "$@" || exit 1',
    'exec <<EOF',
    '$refs',
    'EOF',
    'test -n "$refs" || exec </dev/null',
)
_OTHER = 'command -v git-model >/dev/null && git-model {} "$@" || :'


def lines(name: str, target: Path) -> tuple[str, ...]:
    """The lines to put into the hook, below a sentence that says where."""
    if target.parent.name == '_':
        target = target.parent.parent / name        # what husky's own runs
    what, after = 'this line', ''
    text: tuple[str, ...] = (_OTHER.format(name),)
    if name == 'pre-push':
        what, after = 'these lines', '; what follows them reads the same input'
        text = _PRE_PUSH
    if target.exists():
        return (f'put {what} at the top of {target}, below "#!"{after}:', *text)
    return (f'make an executable file {target} of {what}:', '#!/bin/sh', *text)


def request(name: str, target: Path) -> tuple[str, ...]:
    """How to have it done."""
    data = target.read_bytes() if target.is_file() else b''
    start, end = _OF_LFS
    lfs = name == 'pre-push' and data.startswith(start) and data.endswith(end)
    why = "it is git-lfs's; to have both" if lfs else 'to put a block into it'
    return (f'{why}: git model install --append-hooks',)
