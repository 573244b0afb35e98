"""Which examples, or which questions, each fold has: the same ones for all versions."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from git_model_driver.core.errors import GitModelError
from git_model_driver.evaluation.evaluators import Evaluator
from git_model_driver.evaluation.jobs import Question


def questions(
    evaluator: Evaluator, description: Mapping[str, Any] | None,
) -> list[Question]:
    """All that one version is asked: the folds of each repeat, in order.

    ``description`` is that of an entry point. Raises GitModelError where its examples
    cannot be split.
    """
    k, seed = evaluator.folds, evaluator.seed
    repeats = range(evaluator.repeats)
    wants = description['parameters'] if description else ()
    if description is not None and 'test' in wants:
        return [
            Question(fold, k, seed + r, train, test) for r in repeats
            for fold, (train, test) in enumerate(_split(evaluator, description, r))
        ]
    if 'fold' in wants or evaluator.is_per_fold:
        return [Question(fold, k, seed + r) for r in repeats for fold in range(k)]
    is_random = 'seed' in wants or 'seed}' in evaluator.command or (
        'MODEL_SEED' in evaluator.command)
    return [Question(None, k, seed + r) for r in (repeats if is_random else range(1))]


def _split(
    evaluator: Evaluator, description: Mapping[str, Any], repeat: int,
) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Training and test examples of each fold, by scikit-learn's splitters."""
    try:
        from sklearn import model_selection  # two seconds
    except ImportError:
        raise GitModelError(
            'folds of examples need scikit-learn, which is not installed',
            "get it with: pip install 'git-model-driver[evaluate]'",
        ) from None
    kind = {
        'plain': model_selection.KFold, 'stratified': model_selection.StratifiedKFold,
        'grouped': model_selection.GroupKFold,
    }[evaluator.split]
    labels, groups = description.get('labels'), description.get('groups')
    try:
        n = int(description['n'])
        splitter = kind(
            evaluator.folds, shuffle=True, random_state=evaluator.seed + repeat,
        )
        parts = splitter.split([[0]] * n, labels, groups)
        return [(tuple(train.tolist()), tuple(test.tolist())) for train, test in parts]
    except (TypeError, ValueError) as e:
        what = str(e).partition('\n')[0]
        raise GitModelError(
            f"the examples of '{evaluator.python}' cannot be split: {what}",
            'examples() gives a number, or {"n": ..., "labels": ..., "groups": ...}; '
            'see split, folds and repeats of the evaluator',
        ) from None


def dealt(n: int, k: int, seed: int) -> list[list[int]]:
    """The places of n examples, dealt to k folds in an order that the seed decides."""
    import numpy

    random = numpy.random.Generator(numpy.random.Philox(seed))
    order = random.permutation(n).tolist()
    return [order[start::k] for start in range(k)]
