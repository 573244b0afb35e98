"""Model soups: means of versions, of those and with such weights as a score says.

"Model soups" (Wortsman et al., arXiv 2203.05482). A soup is made of all members anew,
never by adding to one, so that it does not depend on the way to it. It is chosen by
some folds; the others, which had no part in that, report what it is worth.
"""
from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
from typing import NamedTuple

from git_model_driver.core import manifest as manifests
from git_model_driver.core import words
from git_model_driver.core.errors import GitModelError
from git_model_driver.core.model import Manifest
from git_model_driver.evaluation import recipes
from git_model_driver.evaluation import runner
from git_model_driver.evaluation import scores
from git_model_driver.evaluation import statistics
from git_model_driver.evaluation import versions
from git_model_driver.evaluation.evaluators import Evaluator
from git_model_driver.evaluation.recipes import Recipe
from git_model_driver.evaluation.runner import Report
from git_model_driver.evaluation.scores import Comparison
from git_model_driver.evaluation.scores import Scores
from git_model_driver.evaluation.versions import Version
from git_model_driver.evaluation.workers import Means
from git_model_driver.git import run
from git_model_driver.git import trees
from git_model_driver.git.operation import MERGE
from git_model_driver.git.repository import Repository
from git_model_driver.merging import merge as merging
from git_model_driver.merging.rulefiles import load
from git_model_driver.merging.rules import Rules
from git_model_driver.merging.siblings import Siblings
from git_model_driver.merging.versions import Versions
from git_model_driver.merging.versions import means_for
from git_model_driver.store.objects import Store

_KEPT_KEYS = ('class', 'strict')
_STEP = 0.5         # of the logarithm of a weight, in a search
Score = Callable[[Recipe], float]


class Member(NamedTuple):
    """A commit that goes into the soup, and what the user called it."""

    name: str
    commit: str


class Outcome(NamedTuple):
    """A soup, and what the folds that had no part in choosing it say of it, against
    the best member by itself. ``tried`` counts soups.
    """

    recipe: Recipe
    best_member: int
    comparison: Comparison | None
    tried: int


def cook(
    path: str, members: Sequence[Member], recipe: Recipe, store: Store,
) -> tuple[Manifest, list[str]]:
    """The soup at a path, and notes. Raises GitModelError where it cannot be made."""
    used = [members[i] for i in recipe.used]
    sides = [_manifest(member, path) for member in used]
    if len(used) == 1:
        return sides[0], []
    theirs = [rule for rule in load(MERGE).rules if rule.key in _KEPT_KEYS]
    rules = Rules([*theirs, *recipe.rules()], MERGE)
    merging_of = Versions(None, tuple(sides), tuple(member.name for member in used))
    beside = Siblings.of([None, *(member.commit for member in used)], path)
    means = means_for(path, rules, store, beside, len(used))
    merged = merging.merge(merging_of, means)
    if merged.reasons:
        name, why = next(iter(merged.reasons.items()))
        raise GitModelError(
            f"there is no soup of '{path}': {name}: {why}",
            'merge them one after the other, where conflicts can be settled: '
            'git merge <branch>',
        )
    return merged.manifest, merged.notes


def _manifest(member: Member, path: str) -> Manifest:
    found = run.attempt('cat-file', 'blob', f'{member.commit}:{path}')
    if found.code or not manifests.is_manifest(found.out):
        raise GitModelError(
            f"'{path}' is no model in '{member.name}'",
            f'see its models with "git model ls-files {words.shell(member.name)}"',
        )
    return manifests.parse(found.out, path)


class Kitchen:
    """Makes and scores soups of a model, or of all in a folder; equal ones once."""

    def __init__(
        self, model: Version, members: Sequence[Member], evaluator: Evaluator,
        repository: Repository, store: Store, means: Means,
    ) -> None:
        self._model = model
        self._members = members
        self._evaluator = evaluator
        self._repository = repository
        self._store = store
        self._means = means
        self._known: dict[Recipe, Scores] = {}
        self.report: Report | None = None

    def scores(self, tried: Sequence[Recipe]) -> list[Scores]:
        """Raises GitModelError where one of them cannot be evaluated."""
        new = [recipe for recipe in dict.fromkeys(tried) if recipe not in self._known]
        if new:
            report = runner.evaluate(
                self._evaluator, [self._version(recipe) for recipe in new],
                self._repository, self._store, self._means,
            )
            for recipe, each in zip(new, report.results):
                if each.failures:
                    raise GitModelError(
                        f"'{each.version.name}' could not be evaluated: "
                        f'{each.failures[0]}',
                        'mend the evaluator; what was evaluated is kept',
                    )
                self._known[recipe] = each
            self.report = report
        return [self._known[recipe] for recipe in tried]

    def _version(self, recipe: Recipe) -> Version:
        used = [self._members[i] for i in recipe.used]
        name = used[0].name
        if len(used) > 1:
            name = f'the soup of {", ".join(member.name for member in used)}'
        path, kind = self._model.path, self._model.kind
        oid = self._blob(path, recipe) if kind == 'blob' else self._tree(used, recipe)
        return Version(name, used[0].commit, path, kind, oid)

    def _blob(self, path: str, recipe: Recipe) -> str:
        manifest, _ = cook(path, self._members, recipe, self._store)
        text = manifests.serialize(manifest).encode()
        return run.output('hash-object', '-w', '--stdin', input=text).decode().strip()

    def _tree(self, used: Sequence[Member], recipe: Recipe) -> str:
        """The first one's folder, with a soup for each model that all of them have."""
        folder = self._model.path
        tree = versions.find(used[0].commit, folder).oid
        prefix = _prefix(folder)
        return trees.replaced(tree, {
            path.removeprefix(prefix): self._blob(path, recipe)
            for path in models_in(folder, used)
        })

    def score(self, recipe: Recipe) -> float:
        """The mean of the folds that choose; more is better."""
        each, = self.scores([recipe])
        return self._sign * statistics.mean(chosen_by(each).folds)

    @property
    def _sign(self) -> float:
        assert self.report
        return -1.0 if self.report.less_is_better else 1.0

    def compare(self, base: Recipe, soup: Recipe) -> Comparison | None:
        """By the folds that had no part in the choice; None where there are none."""
        before, after = (reported_by(each) for each in self.scores([base, soup]))
        if before is None or after is None:
            return None
        assert self.report
        found, = scores.compare(
            before, [after], self._evaluator, self.report.less_is_better,
        )
        return found

    @property
    def count(self) -> int:
        return len(self._known)


def chosen_by(each: Scores) -> Scores:
    """Every other fold, the first one among them; all where there is one only."""
    return _part(each, 0)


def reported_by(each: Scores) -> Scores | None:
    """The other folds."""
    return _part(each, 1) if len(each.folds) > 1 else None


def _part(each: Scores, odd: int) -> Scores:
    kept = {name: one for name, one in each.examples.items() if one[0] % 2 == odd}
    return each._replace(folds=each.folds[odd::2], examples=kept)


def greedy(kitchen: Kitchen, n: int) -> Outcome:
    """From the best member on, each next one is kept where the score does not fall."""
    singles = [recipes.uniform([i], n) for i in range(n)]
    kitchen.scores(singles)
    order = sorted(range(n), key=lambda i: -kitchen.score(singles[i]))
    kept, best = [order[0]], kitchen.score(singles[order[0]])
    for member in order[1:]:
        more = kitchen.score(recipes.uniform([*kept, member], n))
        if more >= best:
            kept, best = [*kept, member], more
    return _outcome(kitchen, recipes.uniform(kept, n), order[0], n)


def fixed(kitchen: Kitchen, recipe: Recipe, n: int) -> Outcome:
    """A soup that was chosen before; it is compared all the same."""
    singles = [recipes.uniform([i], n) for i in range(n)]
    kitchen.scores([*singles, recipe])
    best = max(range(n), key=lambda i: kitchen.score(singles[i]))
    return _outcome(kitchen, recipe, best, n)


def search(
    kitchen: Kitchen, n: int, groups: Sequence[str], budget: int, seed: int,
) -> Outcome:
    """Weights for each layer, by hill climbing from the greedy soup ((1+1)-ES).

    At most ``budget`` soups are scored. The same seed takes the same way.
    """
    import numpy

    start = greedy(kitchen, n)
    best, level = start.recipe, kitchen.score(start.recipe)
    random = numpy.random.Generator(numpy.random.Philox(seed))
    for _ in range(max(0, budget - kitchen.count)):
        group = ['', *groups][int(random.integers(len(groups) + 1))]
        held = dict(best.groups).get(group, best.weights)
        around = [max(float(weight), 0.01) for weight in held]
        moved = [
            w * float(numpy.exp(step))
            for w, step in zip(around, random.normal(0, _STEP, n))
        ]
        candidate = best.with_group(group, moved)
        found = kitchen.score(candidate)
        if found > level:
            best, level = candidate, found
    return _outcome(kitchen, best, start.best_member, n)


def _outcome(kitchen: Kitchen, recipe: Recipe, best: int, n: int) -> Outcome:
    alone = recipes.uniform([best], n)
    compared = None if recipe == alone else kitchen.compare(alone, recipe)
    return Outcome(recipe, best, compared, kitchen.count)


def models_in(folder: str, members: Sequence[Member]) -> list[str]:
    """Paths below a folder ('.': all) of models that all of these have.

    Raises GitModelError where there is none.
    """
    common = set.intersection(*(
        set(versions.models_of(member.commit)) for member in members
    ))
    prefix = _prefix(folder)
    found = sorted(path for path in common if path.startswith(prefix))
    if not found:
        raise GitModelError(
            'there is no model that all of these versions have',
            'see those of each with "git model ls-files <revision>"',
        )
    return found


def _prefix(folder: str) -> str:
    """What paths below it begin with."""
    return '' if folder == '.' else f'{folder}/'


def groups_of(model: Version, member: Member) -> list[str]:
    """The layers of a model, or of all in a folder: the groups of tensors' names."""
    is_file = model.kind == 'blob'
    paths = [model.path] if is_file else models_in(model.path, [member])
    names = [name for path in paths for name in _manifest(member, path).tensors]
    return sorted({words.group(name) for name in names} - {''}, key=words.natural_key)
