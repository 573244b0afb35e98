"""What was asked for: which refs, which files, and who is to have them."""
from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

from git_model_driver.core.errors import UsageError
from git_model_driver.git import filtering
from git_model_driver.git import refs
from git_model_driver.git import run
from git_model_driver.git.objects import Objects
from git_model_driver.git.refs import Ref
from git_model_driver.upkeep.migrate import plan as plans
from git_model_driver.upkeep.migrate.plan import LFS
from git_model_driver.upkeep.migrate.plan import MODEL
from git_model_driver.upkeep.migrate.plan import NONE
from git_model_driver.upkeep.migrate.plan import Pattern

TO = {'git': NONE, 'lfs': LFS}      # of an export


class Options(NamedTuple):
    """What was asked for."""

    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    everything: bool = False
    branches: Sequence[str] = ()
    to: bytes = MODEL           # the filter that is to have the files
    bundle: bool = True
    force: bool = False


def tips_of(options: Options) -> list[Ref]:
    """The refs that are looked at. Raises UsageError."""
    if options.everything and options.branches:
        raise UsageError('--everything and branches were given', 'leave one out')
    head = refs.head()
    if options.everything:
        found = refs.listed('refs/heads/', 'refs/tags/')
        if head is not None and head.name == 'HEAD':
            found.append(head)
        return [ref for ref in found if _reaches_commits(ref)]
    if options.branches:
        return [refs.named(name) for name in dict.fromkeys(options.branches)]
    if head is None:
        raise UsageError(
            'nothing is committed on the current branch',
            'name branches, or use --everything',
        )
    return [head]


def _reaches_commits(ref: Ref) -> bool:
    peeled = run.attempt('rev-parse', '--verify', '--quiet', f'{ref.oid}^{{commit}}')
    return ref.kind == 'commit' or (ref.kind == 'tag' and peeled.code == 0)


def patterns_of(options: Options, tips: Sequence[Ref], objects: Objects,
                filters: Sequence[bytes] = (MODEL,)) -> list[Pattern]:
    """Those that were given; else the usual ones, and those listed in the tips."""
    if options.include:
        return plans.given(options.include)
    found = {p.text: p for p in plans.usual()}
    for tip in tips:
        name = f'{tip.oid}:{os.fsdecode(filtering.NAME)}'
        if run.attempt('cat-file', '-e', name).code == 0:
            for p in plans.listed(objects.read(name)[1], filters):
                found.setdefault(p.text, p)
    return list(found.values())


def ignores_case() -> bool:
    return run.attempt('config', '--type=bool', '--get', 'core.ignorecase').out.strip(
    ) == b'true'
