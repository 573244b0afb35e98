"""All versions, all folds: what is known is not asked again, the rest in parallel."""
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from typing import NamedTuple

from git_model_driver.core.errors import GitModelError
from git_model_driver.core.errors import MissingObject
from git_model_driver.evaluation import folds
from git_model_driver.evaluation import jobs
from git_model_driver.evaluation import permission
from git_model_driver.evaluation import scores
from git_model_driver.evaluation import versions
from git_model_driver.evaluation import workers
from git_model_driver.evaluation.answers import Answer
from git_model_driver.evaluation.answers import Bad
from git_model_driver.evaluation.evaluators import Evaluator
from git_model_driver.evaluation.jobs import Job
from git_model_driver.evaluation.jobs import Outcome
from git_model_driver.evaluation.jobs import Question
from git_model_driver.evaluation.scores import Scores
from git_model_driver.evaluation.versions import Version
from git_model_driver.evaluation.versions import gather
from git_model_driver.evaluation.workers import Means
from git_model_driver.git import programs
from git_model_driver.git.repository import Repository
from git_model_driver.store.objects import Store

MOST_AT_ONCE = 512 << 20    # bytes of versions that are written at the same time
_Waiting = tuple[Version, Sequence[tuple[int, str]]]    # place and key of questions


class Report(NamedTuple):
    """What came of it; ``asked`` are the questions that each version got."""

    evaluator: Evaluator
    identity: str
    metric: str
    less_is_better: bool
    asked: Sequence[Question]
    results: Sequence[Scores]
    answers: dict[str, Sequence[Answer]]        # by the model's oid, where complete
    fresh: int                                  # questions that were asked just now


class _Work(NamedTuple):
    """Where everything is."""

    repository: Repository
    store: Store
    scratch: Path

    @property
    def top(self) -> Path:
        return self.repository.top or Path.cwd()

    @property
    def results(self) -> Path:
        return self.repository.store_root / 'evaluations'


def evaluate(
    evaluator: Evaluator, wanted: Sequence[Version], repository: Repository,
    store: Store, means: Means,
) -> Report:
    """Evaluate versions. One that fails has its failures said in its scores.

    Raises GitModelError without permission, or where nothing can be asked.
    """
    if not evaluator.trusted:
        permission.require(evaluator.text, evaluator.name, repository)
    with (
        versions.folder(repository) as scratch,
        programs.interruptible(scratch / jobs.STOP),
    ):
        work = _Work(repository, store, scratch)
        identity = evaluator.identity(work.top)
        asked = folds.questions(evaluator, _description(evaluator, work))
        plan = _Plan(evaluator, identity, asked, {}, {})
        fresh = _ask(plan, wanted, work, means)
    return _report(plan, wanted, fresh)


def _description(evaluator: Evaluator, work: _Work) -> dict[str, Any] | None:
    if not evaluator.python:
        return None
    try:
        return jobs.describe(evaluator, str(work.top), str(work.scratch))
    except (Bad, OSError, ValueError) as e:
        raise GitModelError(
            f"'{evaluator.python}' cannot be used: {e}",
            'see it with: python -c "import '
            f'{evaluator.python.partition(":")[0]}"',
        ) from None


class _Plan(NamedTuple):
    """What is to be asked of whom, and what is known."""

    evaluator: Evaluator
    identity: str
    asked: Sequence[Question]
    found: dict[str, Answer]            # by key
    failures: dict[str, list[str]]      # by the model's oid

    def open_questions(
        self, oid: str, results: Path, again: bool,
    ) -> list[tuple[int, str]]:
        """Place and key of each question without an answer; those kept are taken,
        unless all are to be asked ``again``.
        """
        left = []
        for place, question in enumerate(self.asked):
            key = question.key(oid, self.identity)
            answer = None if again else jobs.kept(results, key)
            if answer is None:
                left.append((place, key))
            else:
                self.found[key] = answer
        return left


def _ask(
    plan: _Plan, wanted: Sequence[Version], work: _Work, means: Means,
) -> int:
    """Fill in answers and failures; how many questions were asked."""
    unique = {version.oid: version for version in reversed(wanted)}
    waiting: list[_Waiting] = [
        (version, left) for _, version in sorted(unique.items())
        if (left := plan.open_questions(version.oid, work.results, means.again))
    ]
    total = sum(len(left) for _, left in waiting)
    asked = 0
    with workers.hired(means, total) as hands:
        gather([version for version, _ in waiting], work.store)
        while waiting:
            todo = _batch(plan, waiting, work, hands.number)
            for outcome in hands.work(todo):
                asked += 1
                _take(plan, outcome, work.results)
                means.told(asked, total)
            for place in {job.place for job in todo}:
                versions.remove(Path(place))
    return asked


def _batch(
    plan: _Plan, waiting: list[_Waiting], work: _Work, least: int,
) -> list[Job]:
    """The jobs of the next versions, which are written and no longer wait.

    As many as the disk has room for, and ``least``, so that no worker has to wait.
    Fold by fold, so that what changes on this machine meanwhile meets all of them.
    """
    todo: list[tuple[int, Job]] = []
    count = nbytes = 0
    while waiting and (count < least or nbytes < MOST_AT_ONCE):
        made = _jobs(plan, *waiting.pop(0), work)
        if made:
            todo += made
            nbytes += sum(size for size, _, _ in made[0][1].facts.values())
        count += 1
    todo.sort(key=lambda one: one[0])
    return [job for _, job in todo]


def _jobs(
    plan: _Plan, version: Version, left: Sequence[tuple[int, str]], work: _Work,
) -> list[tuple[int, Job]]:
    """The version's open questions, by place; it is written for them."""
    place = work.scratch / version.oid
    try:
        path = str(versions.write(version, place, work.store))
    except (GitModelError, OSError) as e:
        plan.failures[version.oid] = [_unwritten(e)]
        versions.remove(place)
        return []
    facts = versions.facts_of(path)
    return [
        (number, Job(
            key, plan.evaluator, plan.asked[number], str(place), path, version.commit,
            version.oid, facts, str(work.top), str(work.scratch), str(work.results),
        )) for number, key in left
    ]


def _unwritten(error: GitModelError | OSError) -> str:
    said = ['the model cannot be written: ' + (
        error.message if isinstance(error, GitModelError) else str(error))]
    if isinstance(error, MissingObject):    # "git model pull" is for what HEAD has
        said += [*error.hints[:-1], 'get them with "git model fetch"']
    return '; '.join(said)


def _take(plan: _Plan, outcome: Outcome, results: Path) -> None:
    job = outcome.job
    if outcome.answer is None:
        said = _which(job.question) + outcome.failure
        plan.failures.setdefault(job.oid, []).append(said)
        return
    plan.found[job.key] = outcome.answer
    if jobs.kept(results, job.key) is None:     # it was asked on another machine
        jobs.keep(results, job.key, outcome.answer)


def _which(question: Question) -> str:
    if question.fold is None:
        return ''
    return f'fold {question.fold + 1} of {question.folds}, seed {question.seed}: '


def _report(plan: _Plan, wanted: Sequence[Version], fresh: int) -> Report:
    complete: dict[str, Sequence[Answer]] = {
        version.oid: [
            plan.found[question.key(version.oid, plan.identity)]
            for question in plan.asked
        ]
        for version in wanted if version.oid not in plan.failures
    }
    metric = _metric(plan.evaluator, complete)
    results = [
        scores.gather(version, plan.asked, complete[version.oid], metric)
        if version.oid in complete else
        Scores(version, failures=tuple(plan.failures[version.oid]))
        for version in wanted
    ]
    less = plan.evaluator.less_is_better(metric) if complete else False
    return Report(
        plan.evaluator, plan.identity, metric, less, plan.asked, results, complete,
        fresh,
    )


def _metric(evaluator: Evaluator, complete: dict[str, Sequence[Answer]]) -> str:
    """That which is asked for, or the only one there is."""
    if evaluator.metric or not complete:
        return evaluator.metric
    names = {name for each in complete.values() for a in each for name in a.metrics}
    if len(names) == 1:
        return names.pop()
    raise GitModelError(
        f"the evaluator gives several metrics: {', '.join(sorted(names)[:20])}",
        'say which decides: --metric <name>, or metric = <name> in its configuration',
    )
