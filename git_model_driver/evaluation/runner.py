"""All versions, all folds: what is known is not asked again, the rest in parallel."""
from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from typing import NamedTuple

from git_model_driver.core.errors import GitModelError
from git_model_driver.evaluation import folds
from git_model_driver.evaluation import jobs
from git_model_driver.evaluation import permission
from git_model_driver.evaluation import scores
from git_model_driver.evaluation import versions
from git_model_driver.evaluation.answers import Answer
from git_model_driver.evaluation.answers import Bad
from git_model_driver.evaluation.evaluators import Evaluator
from git_model_driver.evaluation.jobs import Job
from git_model_driver.evaluation.jobs import Outcome
from git_model_driver.evaluation.jobs import Question
from git_model_driver.evaluation.scores import Scores
from git_model_driver.evaluation.versions import Version
from git_model_driver.git.repository import Repository
from git_model_driver.store.objects import Store

CLUSTERS = ('dask', 'ray')
BACKENDS = ('loky', *CLUSTERS)
Told = Callable[[int, int], None]       # folds done, of how many


class Means(NamedTuple):
    """How the work is done. ``again``: kept answers do not count."""

    jobs: int = 1
    backend: str = ''
    again: bool = False
    told: Told = lambda done, total: None


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
    place: Path         # of the version that is written

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
    with versions.folder(repository) as scratch:
        work = _Work(repository, store, scratch, scratch)
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

    def open_questions(self, oid: str, results: Path) -> list[tuple[int, str]]:
        """Place and key of each question without an answer; those kept are taken."""
        left = []
        for place, question in enumerate(self.asked):
            key = question.key(oid, self.identity)
            answer = jobs.kept(results, key)
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
    todo: list[tuple[int, Job]] = []
    for n, (_, version) in enumerate(sorted(unique.items())):
        todo += _jobs(plan, version, work._replace(place=work.scratch / str(n)), means)
    # Fold by fold, so that what changes on this machine meanwhile meets all versions.
    todo.sort(key=lambda one: one[0])
    of = {
        question.key(oid, plan.identity): (oid, question)
        for oid in unique for question in plan.asked
    }
    for done, outcome in enumerate(_run([job for _, job in todo], means), 1):
        oid, question = of[outcome.key]
        if outcome.answer is None:
            said = _which(question) + outcome.failure
            plan.failures.setdefault(oid, []).append(said)
        else:
            plan.found[outcome.key] = outcome.answer
            if jobs.kept(work.results, outcome.key) is None:
                jobs.keep(work.results, outcome.key, outcome.answer)
        means.told(done, len(todo))
    return len(todo)


def _jobs(
    plan: _Plan, version: Version, work: _Work, means: Means,
) -> list[tuple[int, Job]]:
    """The version's open questions, by place; it is written where there are any."""
    left = [
        (place, question.key(version.oid, plan.identity))
        for place, question in enumerate(plan.asked)
    ] if means.again else plan.open_questions(version.oid, work.results)
    if not left:
        return []
    try:
        path = str(versions.write(version, work.place, work.store))
    except (GitModelError, OSError) as e:
        said = e.message if isinstance(e, GitModelError) else str(e)
        plan.failures[version.oid] = [f'the model cannot be written: {said}']
        return []
    facts = versions.facts_of(path)
    return [
        (place, Job(
            key, plan.evaluator, plan.asked[place], path, version.commit, facts,
            str(work.top), str(work.scratch), str(work.results),
        )) for place, key in left
    ]


def _which(question: Question) -> str:
    if question.fold is None:
        return ''
    return f'fold {question.fold + 1} of {question.folds}, seed {question.seed}: '


def _run(todo: Sequence[Job], means: Means) -> Iterator[Outcome]:
    """As they end. In this process where there is nothing to share out."""
    if not todo:
        return
    if not means.backend and (means.jobs == 1 or len(todo) == 1):
        yield from map(jobs.run, todo)
        return
    try:
        import joblib
    except ImportError:
        raise GitModelError(
            'several jobs at once need joblib, which is not installed',
            "get it with: pip install 'git-model-driver[evaluate]', or say --jobs 1",
        ) from None
    backend = means.backend or 'loky'
    with _cluster(backend), joblib.parallel_config(backend=backend):
        way = 'list' if backend == 'ray' else 'generator_unordered'
        parallel = joblib.Parallel(n_jobs=means.jobs, return_as=way, batch_size=1)
        yield from parallel(joblib.delayed(jobs.run)(job) for job in todo)


@contextmanager
def _cluster(backend: str) -> Iterator[None]:
    """Where the work goes: DASK_SCHEDULER_ADDRESS and RAY_ADDRESS say which cluster."""
    try:
        if backend == 'dask':
            from dask import distributed

            with distributed.Client():
                yield
            return
        if backend == 'ray':
            import ray
            from ray.util.joblib import register_ray

            ray.init(ignore_reinit_error=True)
            register_ray()
    except ImportError as e:
        raise GitModelError(
            f"the backend '{backend}' needs a package that is not installed: {e.name}",
            f"get it with: pip install '{_PACKAGES[backend]}'",
        ) from None
    yield


_PACKAGES = {'dask': 'dask[distributed]', 'ray': 'ray[default]'}


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
