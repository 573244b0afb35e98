"""Results, noted on the model itself: they outlive an amended or rebased commit.

A line of JSON for each evaluator, split and seed. Notes come from anywhere: they are
shown, and nothing is decided by them.
"""
from __future__ import annotations

import json
from collections.abc import Mapping
from math import isfinite
from typing import Any
from typing import NamedTuple

from git_model_driver.evaluation.runner import Report
from git_model_driver.git import notes

_VERSION = 1
_DIGITS = 12


class Record(NamedTuple):
    """Scores by metric; ``metric`` is the one that decided, ``direction`` max or min.

    ``evaluator_id`` is of what was run: equal ones were the same.
    """

    evaluator: str
    evaluator_id: str
    metric: str
    direction: str
    folds: int
    repeats: int
    seed: int
    scores: Mapping[str, list[float]]


def keep(report: Report) -> None:
    """Note every complete result on its model. Raises GitError."""
    lines = {
        each.version.oid: [_line(report, each.version.oid, each.folds)]
        for each in report.results if not each.failures
    }
    if lines:
        notes.add(notes.EVALUATIONS, lines)


def _line(report: Report, oid: str, folds: tuple[float, ...]) -> str:
    answers, evaluator = report.answers[oid], report.evaluator
    names = set(answers[0].metrics).intersection(*(a.metrics for a in answers))
    found = {name: [a.metrics[name] for a in answers] for name in sorted(names)}
    record = Record(
        evaluator.name, report.identity[:_DIGITS], report.metric,
        'min' if report.less_is_better else 'max', evaluator.folds, evaluator.repeats,
        evaluator.seed, {**found, report.metric: list(folds)},
    )
    said = {'version': _VERSION, **record._asdict()}
    return json.dumps(said, sort_keys=True, separators=(',', ':'))


def of(oid: str) -> list[Record]:
    """What is noted on a model; lines that make no sense are left out."""
    found = (_parsed(line) for line in notes.read(notes.EVALUATIONS, oid))
    return [record for record in found if record is not None]


def _parsed(line: str) -> Record | None:
    try:
        data = json.loads(line)
        scores = {str(k): [float(s) for s in v] for k, v in data['scores'].items()}
        record = Record(
            str(data['evaluator']), str(data['evaluator_id']), str(data['metric']),
            str(data['direction']), int(data['folds']), int(data['repeats']),
            int(data['seed']), scores,
        )
        return record if _is_sound(record, data) else None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _is_sound(record: Record, data: Mapping[str, Any]) -> bool:
    numbers = [score for each in record.scores.values() for score in each]
    return data['version'] == _VERSION and all(map(isfinite, numbers)) and (
        bool(record.scores.get(record.metric)))
