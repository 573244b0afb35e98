"""Rewrite history: models from Git or Git LFS to here (import), or back (export).

As if the models had been tracked from their first commit on. In an import each version
of a matching file, or what a pointer of Git LFS stands for, becomes the manifest that
git add makes of it, and .gitattributes of each commit get the line that git model track
writes, in place of one for Git LFS. An export makes files of manifests again, or
pointers of Git LFS. info says what there is, and changes nothing.

Everything else stays: messages, authors, dates, merges, modes; a commit in which
nothing changes, and whose parents stay, keeps its name. Signatures do not survive a
rewrite.

Without patterns all files count that frameworks write (git model track --preset), and
those that .gitattributes of a branch's last commit give to the filter. Without
branches the current one is rewritten.

What is to be rewritten is first copied to a bundle; then all refs are changed in one
step, with the old ones in refs/original. The command that undoes all of it is printed.
"""
from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator

from git_model_driver.core import words
from git_model_driver.core.errors import UsageError
from git_model_driver.filters import process
from git_model_driver.git import hooks
from git_model_driver.git import progress
from git_model_driver.git import repository as repositories
from git_model_driver.git import roots
from git_model_driver.git.repository import Repository
from git_model_driver.render.amounts import plural
from git_model_driver.render.amounts import size
from git_model_driver.transfer.locate import store_of
from git_model_driver.upkeep.migrate import census
from git_model_driver.upkeep.migrate import migrate
from git_model_driver.upkeep.migrate.census import Count
from git_model_driver.upkeep.migrate.census import Row
from git_model_driver.upkeep.migrate.migrate import Outcome
from git_model_driver.upkeep.migrate.options import TO
from git_model_driver.upkeep.migrate.options import Options
from git_model_driver.upkeep.migrate.plan import MODEL

_SHORT = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('mode', choices=('info', 'import', 'export'),
                        metavar='info|import|export', help='what to do')
    parser.add_argument('branch', nargs='*', help='branches and tags to rewrite')
    parser.add_argument('-I', '--include', metavar='<globs>', action='append',
                        default=[], help='only files that match one of these, as in '
                                         '.gitattributes, with commas between')
    parser.add_argument('-X', '--exclude', metavar='<globs>', action='append',
                        default=[], help='no file that matches one of these')
    parser.add_argument('--everything', action='store_true',
                        help='all branches and tags')
    parser.add_argument('--to', choices=[*TO], default='git',
                        help='where an export puts the files (default: %(default)s)')
    parser.add_argument('--no-bundle', action='store_true',
                        help='make no copy: refs/original keeps the old history, too')
    parser.add_argument('--force', action='store_true',
                        help='replace what an earlier rewrite left in refs/original')
    parser.add_argument('--json', action='store_true',
                        help='print info as one document')


def run(args: argparse.Namespace) -> int:
    roots.see_what_was_replaced()
    process.one_blas_thread()
    if args.json and args.mode != 'info':
        raise UsageError(f'--json is for info, not for {args.mode}')
    to = MODEL if args.mode != 'export' else TO[args.to]
    options = Options(args.include, args.exclude, args.everything, args.branch, to,
                      not args.no_bundle, args.force)
    repository = repositories.find()
    if args.mode == 'info':
        rows = census.census(options, repository.algorithm)
        print(_document(rows) if args.json else '\n'.join(_table(rows)))
        return 0
    outcome = migrate.migrate(
        repository, store_of(repository), options, progress.stages(),
    )
    if not outcome.changes:
        print(f'Nothing to {args.mode} in {plural(outcome.total, "commit")}.')
        return 0
    print(*_report(outcome, args.mode), sep='\n')
    sys.stdout.flush()
    if args.mode == 'import':
        hooks.ensure(repository)
        print(*_of_hooks(), sep='', end='', file=sys.stderr)
    print(*_advice(outcome, repository), sep='\n', file=sys.stderr)
    return 0


def _report(outcome: Outcome, mode: str) -> Iterator[str]:
    what = 'became manifests' if mode == 'import' else 'became files again'
    yield (
        f'Rewrote {outcome.rewritten} of {plural(outcome.total, "commit")}: '
        f'{plural(outcome.versions, "version")} of models ({size(outcome.nbytes)}) '
        f'{what}.'
    )
    for change in outcome.changes:
        old, new = str(change.old)[:_SHORT], str(change.new)[:_SHORT]
        yield f'  {words.printable(change.name)} {old} -> {new}'
    if outcome.bundle:
        yield f'Backup: {outcome.bundle}'
    yield f'Undo: {outcome.undo}'


def _advice(outcome: Outcome, repository: Repository) -> Iterator[str]:
    lost = [
        plural(n, f'{noun} signature') for n, noun in (
            (outcome.signatures, 'commit'), (outcome.tag_signatures, 'tag'),
        ) if n
    ]
    if lost:
        yield f'warning: dropped {" and ".join(lost)}: none survives a rewrite'
    if outcome.damaged:
        n = plural(outcome.damaged, 'manifest')
        yield f'warning: left {n} as they are: damaged, or with conflicts'
    if outcome.left:
        yield f'hint: these still have the old history: {", ".join(outcome.left)}'
    yield (
        'hint: publish it with "git push --force-with-lease" for each branch, and '
        '"git push --force" for tags; everybody else then does not merge it, but '
        'clones anew, or runs "git fetch" and "git reset --hard @{upstream}"'
    )
    yield (
        'hint: when all is well, forget the old history: git for-each-ref '
        "--format='delete %(refname)' refs/original/ | git update-ref --stdin; "
        f'rm -r {words.shell(str(repository.common_dir / "model-migrate"))}; git gc'
    )


def _of_hooks() -> Iterator[str]:
    """Git LFS has hooks of these names, too: then git push would send no tensors."""
    target = hooks.folder() / 'pre-push'
    if target.exists() and not hooks.runs('pre-push'):
        yield (
            f"warning: '{words.printable(str(target))}' is another hook: git push "
            'sends no tensors\n'
            'hint: see to it with "git model install --local", or send them with '
            '"git model push"\n'
        )


def _table(rows: list[Row]) -> Iterator[str]:
    """A line for each pattern and kind."""
    if not rows:
        yield 'No files match.'
    for row in rows:
        for kind, count in zip(('raw', 'lfs', 'manifests'), row[1:]):
            if count.blobs:
                yield f'{words.printable(row.pattern)}\t{kind}\t{_said(count)}'


def _said(count: Count) -> str:
    files, versions = plural(count.files, 'file'), plural(count.blobs, 'version')
    return f'{files}\t{versions}\t{size(count.bytes)}'


def _document(rows: list[Row]) -> str:
    listed = [
        {'pattern': row.pattern, 'raw': row.raw._asdict(), 'lfs': row.lfs._asdict(),
         'manifests': row.manifests._asdict()} for row in rows
    ]
    return json.dumps({'version': 1, 'patterns': listed}, indent=2)
