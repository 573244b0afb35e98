"""Merge models of several versions into a soup: their mean, or what a score says.

HEAD is a member, and has the first weight. Unlike in git merge, every tensor is the
mean of all members, changed or not. Other files are merged as "git merge a b c" would.
With an evaluator, --greedy keeps only versions with which the score does not fall, and
--search looks for weights for each layer; every other fold chooses, the rest says what
the soup is worth. The merge commit's trailer has the weights that make it again.

Exit code 1 if a single version is best, and nothing was merged.
"""
from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from git_model_driver.cli import evaluating
from git_model_driver.core import manifest as manifests
from git_model_driver.core import words
from git_model_driver.core.errors import GitModelError
from git_model_driver.core.errors import UsageError
from git_model_driver.evaluation import recipes
from git_model_driver.evaluation import soups
from git_model_driver.evaluation import versions
from git_model_driver.evaluation.best import ALPHA
from git_model_driver.evaluation.recipes import Recipe
from git_model_driver.evaluation.soups import Kitchen
from git_model_driver.evaluation.soups import Member
from git_model_driver.evaluation.soups import Outcome
from git_model_driver.git import conclude
from git_model_driver.git import octopus
from git_model_driver.git import operation
from git_model_driver.git import repository as repositories
from git_model_driver.git.repository import Repository
from git_model_driver.render import evaluation as render
from git_model_driver.store.objects import Store
from git_model_driver.store.places import Places
from git_model_driver.transfer.locate import store_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('revision', nargs='+', help='versions to merge with HEAD')
    ways = parser.add_mutually_exclusive_group(required=True)
    ways.add_argument('--uniform', action='store_true', help='equal weights for all')
    ways.add_argument('--greedy', action='store_true',
                      help='of the best, and of each next one that does no harm')
    ways.add_argument('--weights', metavar='<weights>',
                      help="as in 0.5,0.3,0.2, or '0.5,0.5;layers.0=0.2,0.8'")
    ways.add_argument('--search', action='store_true',
                      help='weights for each layer, from the greedy soup on')
    parser.add_argument('--budget', type=int, default=60, metavar='<n>',
                        help='how many soups a search may score (default: 60)')
    parser.add_argument('-m', '--message', help="the merge commit's")
    evaluating.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    repository = repositories.find()
    _refuse_unclean()
    names = ['HEAD', *args.revision]
    found = [versions.find(name, '.') for name in names]
    members = [Member(each.name, each.commit) for each in found]
    if len({member.commit for member in members}) != len(members):
        raise UsageError('the same version is named twice, or is HEAD')
    store = store_of(repository)
    recipe, why = _recipe(args, members, repository, store)
    used = recipe.used
    if len(used) == 1:
        print(f"'{words.printable(names[used[0]])}' is best by itself: "
              'nothing was merged.')
        return 1
    _commit(args.message, members, recipe, why, repository, store)
    return 0


def _refuse_unclean() -> None:
    if operation.is_merge():
        raise GitModelError(
            'a merge is not concluded yet',
            'commit it, or undo it with "git merge --abort"',
        )
    if not octopus.is_clean():
        raise GitModelError(
            'your local changes would be overwritten by the merge',
            'commit them, or put them aside with "git stash"',
        )


def _recipe(
    args: argparse.Namespace, members: Sequence[Member], repository: Repository,
    store: Store,
) -> tuple[Recipe, str]:
    """The weights, and in a word where they are from."""
    n = len(members)
    recipe = recipes.uniform(range(n), n)
    if args.weights is not None:
        recipe = recipes.parse(args.weights, n)
    wants_evaluator = args.greedy or args.search
    if not wants_evaluator and not (args.evaluator or args.command or args.python):
        return recipe, 'uniform' if args.uniform else 'weights'
    evaluator = evaluating.evaluator_of(args, repository)
    model = versions.find(members[0].commit, evaluator.path)
    kitchen = Kitchen(
        model, members, evaluator, repository, store, evaluating.means_of(args),
    )
    if args.greedy:
        outcome, way = soups.greedy(kitchen, n), 'greedy'
    elif args.search:
        groups = soups.groups_of(model, members[0])
        outcome = soups.search(kitchen, n, groups, args.budget, evaluator.seed)
        way = f'search, seed {evaluator.seed}'
    else:
        outcome, way = soups.fixed(kitchen, recipe, n), 'weights'
    _say(outcome, members)
    metric = kitchen.report.metric if kitchen.report else ''
    return outcome.recipe, f'{way} by {metric}'


def _say(outcome: Outcome, members: Sequence[Member]) -> None:
    """What the soup is worth, said honestly."""
    name = words.printable(members[outcome.best_member].name)
    print(f'Scored {outcome.tried} versions and soups; the best version is '
          f"'{name}'.", file=sys.stderr)
    compared = outcome.comparison
    if compared is None:
        return
    test, low, high = compared.test, *compared.test.interval
    digits = render.digits_for([high - low])
    what = 'folds' if test.n == len(compared.gains) else 'examples'
    if low > 0 and test.p <= ALPHA:
        verdict = 'it is better'
    elif high < 0 and test.p <= ALPHA:
        verdict = 'it is worse'
    else:
        verdict = 'it is not shown to be better, nor worse'
    print(
        f"The soup against '{name}', on the folds that had no part in the choice: "
        f'{render.number(test.mean, digits, True)}, 95 % interval '
        f'{render.interval(low, high, digits, True)}, p {render.p_value(test.p)} '
        f'({test.name}, {test.n} {what}): {verdict}.', file=sys.stderr,
    )


def _commit(
    message: str | None, members: Sequence[Member], recipe: Recipe, why: str,
    repository: Repository, store: Store,
) -> None:
    used = [members[i] for i in recipe.used]
    heads = [members[0].commit, *(m.commit for m in used if m is not members[0])]
    scratch = repository.store_root / 'tmp'
    Places(repository.store_root).folder(scratch)
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        index = octopus.Index(Path(folder))
        folded = index.fold(heads)
        if folded.failure is not None:
            raise GitModelError(
                f'files beside the models cannot be merged: {folded.failure}',
                'merge them first, one after the other: git merge <branch>',
            )
        paths = soups.models_in('.', used)
        for path in paths:
            manifest, notes = soups.cook(path, members, recipe, store)
            index.put(path, manifests.serialize(manifest), octopus.mode_of(heads, path))
            for note in notes:
                print(f'  {words.printable(note)}', file=sys.stderr)
        tree = index.write_tree()
    refused = octopus.check_out(tree) if tree else 'the index cannot be written'
    if refused:
        raise GitModelError(refused, 'commit or stash your changes, then try again')
    text = _text(message, members, recipe, why, paths)
    commit = conclude.merge(heads[1:], text)
    print(f'Merged {", ".join(words.printable(m.name) for m in used)} as '
          f'{commit[:12]}; weights {recipe.text}')


def _text(
    message: str | None, members: Sequence[Member], recipe: Recipe, why: str,
    paths: Sequence[str],
) -> str:
    """The message, and a trailer with all that it takes to make the soup again."""
    names = ', '.join(words.printable(member.name) for member in members[1:])
    subject = message or f'Merge a soup of HEAD, {names}'
    oids = ' '.join(member.commit[:12] for member in members)
    lines = [
        f'Model-Merge: {json.dumps(path)[1:-1]}: soup ({why}) of {oids}; '
        f'--weights={recipe.text}' for path in paths
    ]
    return '\n'.join([subject.rstrip(), '', *lines])
