"""Who asks: this process, others of this machine, or those of a cluster."""
from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import contextmanager
from typing import Any
from typing import NamedTuple

from git_model_driver.core.errors import GitModelError
from git_model_driver.evaluation import jobs
from git_model_driver.evaluation.jobs import Job
from git_model_driver.evaluation.jobs import Outcome

CLUSTERS = ('dask', 'ray')
BACKENDS = ('loky', *CLUSTERS)
_PACKAGES = {'dask': 'dask[distributed]', 'ray': 'ray[default]'}
Told = Callable[[int, int], None]       # folds done, of how many


class Means(NamedTuple):
    """How the work is done. ``again``: kept answers do not count."""

    jobs: int = 1
    backend: str = ''
    again: bool = False
    told: Told = lambda done, total: None


class Hands(NamedTuple):
    """So many workers, and what has them work; outcomes come as they end."""

    number: int
    work: Callable[[Sequence[Job]], Iterable[Outcome]]


@contextmanager
def hired(means: Means, total: int) -> Iterator[Hands]:
    """Workers for so many jobs; this process where there is nothing to share out."""
    if total == 0 or (not means.backend and 1 in (means.jobs, total)):
        yield Hands(1, lambda todo: map(jobs.run, todo))
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
        number = min(total, joblib.effective_n_jobs(means.jobs))
        yield Hands(number, lambda todo: _shared(joblib, todo, means.jobs, backend))


def _shared(
    joblib: Any, todo: Sequence[Job], number: int, backend: str,
) -> Iterator[Outcome]:
    from concurrent.futures.process import BrokenProcessPool

    way = 'list' if backend == 'ray' else 'generator_unordered'
    parallel = joblib.Parallel(n_jobs=number, return_as=way, batch_size=1)
    asked = jobs.run_apart if backend == 'loky' else jobs.run
    try:
        yield from parallel(joblib.delayed(asked)(job) for job in todo)
    except BrokenProcessPool:
        raise GitModelError(
            'a process that had work to do was ended from outside, perhaps for want '
            'of memory',
            'run the command again: what was evaluated is kept; fewer at once need '
            'less: --jobs 1',
        ) from None


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
