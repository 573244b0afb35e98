"""Say which tensors changed, and how much.

Takes what "git diff" takes: nothing, --cached, commits, ranges, paths. Numbers are
exact, in float64: |d|/|w| is the Euclidean norm of the change over that of the old
tensor, max|d| the largest change of an element, cosine that of the angle between old
and new, changed the share of elements with other bits. rank is estimated from 64 rows
and columns: it is told where the change has a low one, apart from rounding.
"""
from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any

from git_model_driver.cli import faces
from git_model_driver.cli import html
from git_model_driver.cli import lost
from git_model_driver.cli import splitting
from git_model_driver.core import words
from git_model_driver.core.choice import Choice
from git_model_driver.core.errors import UsageError
from git_model_driver.filters.filter import Filter
from git_model_driver.git import ancestry
from git_model_driver.git import diffs
from git_model_driver.git import terminal
from git_model_driver.git.progress import NOBODY
from git_model_driver.git.progress import Progress
from git_model_driver.looking import comparison
from git_model_driver.looking import histogram
from git_model_driver.looking import pairs
from git_model_driver.looking.comparison import Comparison
from git_model_driver.looking.comparison import TensorChange
from git_model_driver.looking.pairs import Versions
from git_model_driver.render import changes
from git_model_driver.render import changes_json
from git_model_driver.render.face import Face
from git_model_driver.render.html import diff as page
from git_model_driver.render.html.diff import Model
from git_model_driver.render.html.diff import Side

_HISTOGRAMS = 6
Compared = Iterable[tuple[Versions, Comparison]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('--tensors', metavar='<glob>', action='append', default=[],
                        help='only tensors with such names')
    parser.add_argument('--stat', action='store_true',
                        help='one line for each layer that changed')
    parser.add_argument('--group-by', metavar='<what>', choices=[*changes.GROUPINGS],
                        help='layer or module: as --stat, for these')
    parser.add_argument('--metric', metavar='<names>',
                        default=','.join(changes.DEFAULT_METRICS),
                        help='columns: rel, max, cos, share, rank, with commas')
    parser.add_argument('--sort', choices=('name', 'change'), default='name',
                        help='change: by |d|/|w|, the largest first')
    parser.add_argument('--limit', metavar='<n>', type=int,
                        help='no more than so many tensors of each model')
    parser.add_argument('--no-values', action='store_true',
                        help='read no tensor: only say which differ')
    parser.add_argument('--json', action='store_true', help='print one document')
    html.add_argument(parser, 'git-model-diff.html')
    parser.add_argument('--exit-code', action='store_true',
                        help='exit with 1 where there are differences')
    parser.add_argument('--quiet', action='store_true',
                        help='print nothing; implies --exit-code')
    faces.add_arguments(parser)
    parser.add_argument('ignored', nargs='*', metavar='<what git diff takes>',
                        help='commits, ranges, --cached, --merge-base, -R, paths')


_WITH_VALUE = ('--tensors', '--group-by', '--metric', '--sort', '--limit')
# Of git diff's options those that say what is compared; others change its text.
_PASSED = ('--cached', '--staged', '--merge-base', '-R', '--no-renames',
           '--find-copies-harder')
_PASSED_WITH = ('--diff-filter=', '-M', '-C', '--find-renames', '--find-copies')


def run(args: argparse.Namespace) -> int:
    metrics = _metrics(args)
    gone: list[str] = []
    with Filter() as filter_:
        found = list(pairs.of_arguments(args.gits, filter_))
        if not args.quiet:
            show = _json if args.json else _html if args.html else _text
            compared = _compared(args, found, filter_, metrics, gone)
            show(args, compared, filter_, metrics)
        differs = (args.exit_code or args.quiet) and any(
            _differs(args, each, filter_) for each in found
        )
    return lost.tell(gone) or int(differs)


def _differs(args: argparse.Namespace, each: Versions, filter_: Filter) -> bool:
    """By name and oid, of the tensors that were asked for."""
    if not args.tensors or each.other:
        return True
    chosen = Choice(tensors=tuple(args.tensors)).has_tensor
    return bool(
        comparison.compare(each.old, each.new, filter_.store, chosen, False).tensors
    )


def _metrics(args: argparse.Namespace) -> list[str]:
    metrics = [name for name in args.metric.split(',') if name]
    for name in metrics:
        if name not in changes.METRICS:
            raise UsageError(
                f"there is no metric '{words.printable(name)}'",
                f'there are {", ".join(changes.METRICS)}',
            )
    if args.limit is not None and args.limit < 0:
        raise UsageError(f"'--limit' cannot be {args.limit}")
    return metrics


def split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    return splitting.split(arguments, _own, _WITH_VALUE)


def _own(word: str) -> str | None:
    is_gits = not word.startswith('-') or word in _PASSED or (
        word.startswith(_PASSED_WITH)
    )
    return None if is_gits else word


def _compared(
    args: argparse.Namespace, found: Sequence[Versions], filter_: Filter,
    metrics: Sequence[str], gone: list[str],
) -> Iterator[tuple[Versions, Comparison]]:
    """``gone`` gets the tensors whose bytes are not to be had."""
    chosen = Choice(tensors=tuple(args.tensors)).has_tensor
    meter = NOBODY if args.no_values else Progress('Comparing tensors', sum(
        comparison.to_read(each.old, each.new, chosen) for each in found
    ))
    for i, each in enumerate(found):
        compared = comparison.compare(
            each.old, each.new, filter_.store, chosen, not args.no_values,
            args.json or bool(args.html) or 'rank' in metrics, meter,
        )
        if i == len(found) - 1 or _is_shown_at_once(args):
            meter.stop()
        gone += [
            f"'{tensor.name}' of '{each.pair.path}'" for tensor in compared.tensors
            if tensor.is_lost
        ]
        yield each, (
            changes.by_size(compared) if args.sort == 'change' else compared
        )


def _is_shown_at_once(args: argparse.Namespace) -> bool:
    """Whether what is compared is printed on the terminal, before the next is."""
    return terminal.is_terminal() and not (args.json or args.html)


def _json(
    args: argparse.Namespace, found: Compared, filter_: Filter,
    metrics: Sequence[str],
) -> None:
    models: list[dict[str, Any]] = []
    for each, compared in found:
        document = changes_json.model(
            each.pair.path, each.pair.old_path, compared, args.limit,
        )
        models.append({**document, 'problem': each.other or None})
    print(json.dumps({'version': changes_json.VERSION, 'models': models}, indent=2))


def _html(
    args: argparse.Namespace, found: Compared, filter_: Filter,
    metrics: Sequence[str],
) -> None:
    models = []
    for each, compared in found:
        spread = [
            histogram.of(tensor, filter_.store)
            for tensor in _most_changed(compared)[:_HISTOGRAMS]
        ]
        models.append(Model(each.pair.path, each.pair.old_path, compared,
                            [h for h in spread if h], each.other))
    old, new = map(_side, diffs.sides(args.gits))
    html.write(args.html, page.lines(old, new, models))


def _most_changed(found: Comparison) -> list[TensorChange]:
    """By |d|/|w|; what was zero, and what has no numbers, comes last."""
    def size(each: TensorChange) -> float:
        value = each.change.sums.relative if each.change else -1.0
        return value if math.isfinite(value) else 0.0

    return sorted(found.tensors, key=size, reverse=True)


def _side(name: str) -> Side:
    if name in ('index', 'worktree'):       # no branches of these names
        return Side(name)
    oid = ancestry.resolve(name)
    return Side(name, ancestry.commits([oid]).get(oid) if oid else None)


def _text(
    args: argparse.Namespace, found: Compared, filter_: Filter,
    metrics: Sequence[str],
) -> None:
    with faces.paged(args, 'diff') as face:
        shown = []
        for each, compared in found:
            shown.append(compared)
            for line in _lines(args, each, compared, metrics, face):
                print(line)
        if (args.stat or args.group_by) and shown:
            print(changes.total(shown))


def _lines(
    args: argparse.Namespace, each: Versions, compared: Comparison,
    metrics: Sequence[str], face: Face,
) -> Iterator[str]:
    if each.other:
        yield f'{words.printable(each.pair.path)}   {each.other}'
        return
    title = changes.headline(each.pair.path, each.pair.old_path, compared)
    yield face.paint(title, 'diff.meta')
    if args.stat or args.group_by:
        by = changes.GROUPINGS[args.group_by or 'layer']
        yield from changes.grouped(changes.groups(compared, by), face)
    else:
        columns = [] if args.no_values else metrics
        yield from changes.tensors(compared, columns, face, args.limit)
