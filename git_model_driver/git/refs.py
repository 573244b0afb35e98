"""Refs: listing them, and changing many at once."""
from __future__ import annotations

import os
from collections.abc import Iterable
from typing import NamedTuple

from git_model_driver.core.errors import UsageError
from git_model_driver.git import run

ORIGINAL = 'refs/original/'
_FORMAT = '--format=%(objectname) %(objecttype) %(symref) %(refname)'
_DURABLE = ('-c', 'core.fsync=all')


class Ref(NamedTuple):
    """A ref, and what it points to."""

    name: str
    oid: str
    kind: str


class Change(NamedTuple):
    """A ref that goes from one object to another; None is "there is none"."""

    name: str
    old: str | None
    new: str | None


def listed(*prefixes: str) -> list[Ref]:
    """All refs below these, but those that stand for others."""
    found = []
    for line in os.fsdecode(run.output('for-each-ref', _FORMAT, *prefixes)).split('\n'):
        if line:
            oid, kind, symbolic, name = line.split(' ')
            if not symbolic:
                found.append(Ref(name, oid, kind))
    return found


def head() -> Ref | None:
    """The branch that is checked out, or HEAD itself where there is none.

    None where nothing is committed there.
    """
    found = run.attempt('rev-parse', '--verify', '--quiet', 'HEAD^{commit}')
    if found.code:
        return None
    name = run.attempt('symbolic-ref', '--quiet', 'HEAD').out
    oid = found.out.decode().strip()
    return Ref(os.fsdecode(name).strip() or 'HEAD', oid, 'commit')


def named(name: str) -> Ref:
    """A branch or tag. Raises UsageError for anything else."""
    full = run.attempt('rev-parse', '--symbolic-full-name', '--verify', '--quiet', name)
    known = os.fsdecode(full.out).strip()
    if full.code or not known.startswith(('refs/heads/', 'refs/tags/')):
        raise UsageError(
            f"'{name}' is neither a branch nor a tag here",
            'see those there are with "git branch" and "git tag"',
        )
    ref, = [ref for ref in listed(known) if ref.name == known]
    return ref


def instructions(changes: Iterable[Change], verify: bool) -> bytes:
    """For ``git update-ref -z --stdin``; with ``verify`` the old values must hold."""
    found = []
    for change in changes:
        name = os.fsencode(change.name)
        if change.name == 'HEAD':
            found.append(b'option no-deref')
        old = [(change.old or '').encode()] if verify else [b'']
        if change.new is None:
            found += [b'delete ' + name, *old]
        elif verify and change.old is None:
            found += [b'create ' + name, change.new.encode()]
        else:
            found += [b'update ' + name, change.new.encode(), *old]
    return b''.join(field + b'\0' for field in found)


def values_of(instructions: bytes) -> dict[str, str]:
    """The new values in such instructions."""
    fields = iter(os.fsdecode(instructions).split('\0'))
    found = {}
    for field in fields:
        verb, _, name = field.partition(' ')
        if verb in ('create', 'update') and name != 'HEAD':
            found[name] = next(fields)
    return found


def update(changes: Iterable[Change], message: str) -> None:
    """Change all or none. Raises GitError."""
    run.output(
        *_DURABLE, 'update-ref', '-m', message, '-z', '--stdin',
        input=b'start\0' + instructions(changes, True) + b'prepare\0commit\0',
    )
