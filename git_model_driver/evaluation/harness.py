"""Results of lm-evaluation-harness: ``{"results": {"arc_easy": {"acc,none": 0.61}}}``.

A metric's key has the filter of the model's replies after a comma; the standard error
is beside it as ``acc_stderr,none``. ``alias``, ``sample_len`` and the like are none.
"""
from __future__ import annotations

import re
from collections.abc import Iterable
from collections.abc import Iterator
from math import isclose
from typing import Any

_SAMPLES = re.compile(r'samples_(.+)_\d{4}-\d\d-\d\dT[\d.-]+\.jsonl')
_NO_FILTER = ',none'
Told = dict[str, dict[str, float]]      # by metric, then by example
Read = tuple[dict[str, float], dict[str, tuple[float, ...]], tuple[str, ...]]


def is_results(data: Any) -> bool:
    return isinstance(data, dict) and isinstance(data.get('results'), dict) and all(
        isinstance(each, dict) for each in data['results'].values()
    )


def is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def metrics(results: dict[str, dict[str, Any]]) -> Iterator[tuple[str, float]]:
    """``arc_easy.acc``; filters keep their names, ``gsm8k.exact_match,strict-match``.

    Before version 0.4 keys had no filter.
    """
    for task, each in results.items():
        has_filters = any(',' in key for key in each)
        for key, value in each.items():
            metric, comma, _ = key.partition(',')
            if bool(comma) == has_filters and is_number(value) and (
                    not metric.endswith('_stderr')):
                yield f'{task}.{key.removesuffix(_NO_FILTER)}', float(value)


def task_of(name: str) -> str | None:
    """The task that a file of samples is of."""
    found = _SAMPLES.fullmatch(name)
    return found[1] if found else None


def read(data: dict[str, Any], samples: Iterable[tuple[str, dict[str, Any]]]) -> Read:
    """Metrics; scores of examples where they are logged and the metric is their mean
    (a perplexity or an F1 is not); the ids of examples if all metrics have the same.
    """
    found = dict(metrics(data['results']))
    told = {
        name: scores for name, scores in _told(samples).items()
        if name in found and isclose(
            sum(scores.values()) / len(scores), found[name], rel_tol=1e-6, abs_tol=1e-9)
    }
    ids = {tuple(scores) for scores in told.values()}
    examples = {name: tuple(scores.values()) for name, scores in told.items()}
    return found, examples, ids.pop() if len(ids) == 1 else ()


def _told(samples: Iterable[tuple[str, dict[str, Any]]]) -> Told:
    """By ``doc_id``, in order; without metrics that some example has no number for."""
    told: Told = {}
    odd: set[str] = set()
    for task, sample in samples:
        kind = f",{sample.get('filter', 'none')}".removesuffix(_NO_FILTER)
        for metric in sample.get('metrics') or _numbers(sample):
            name, value = f'{task}.{metric}{kind}', sample.get(metric)
            scores = told.setdefault(name, {})
            example = str(sample.get('doc_id'))
            if example in scores or not isinstance(value, (bool, int, float)):
                odd.add(name)
            else:
                scores[example] = float(value)
    return {
        name: dict(sorted(scores.items())) for name, scores in told.items()
        if name not in odd
    }


def _numbers(sample: dict[str, Any]) -> list[str]:
    """Names that may be those of metrics, where a sample does not list them."""
    return [name for name in sample if is_number(sample[name]) and name != 'doc_id']
