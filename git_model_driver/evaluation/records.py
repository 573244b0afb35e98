"""Results, noted on the model itself: they outlive an amended or rebased commit.

A line of JSON for each evaluator, split and seed. Notes come from anywhere: they are
shown, and nothing is decided by them.
"""
from __future__ import annotations

import json
from collections.abc import Iterable
from collections.abc import Mapping
from typing import TYPE_CHECKING
from typing import Any
from typing import NamedTuple

from git_model_driver.git import notes
from git_model_driver.git.catfile import CatFile

if TYPE_CHECKING:       # a tenth of a second, for those who only read
    from git_model_driver.evaluation.runner import Report

_VERSION = 1
_DIGITS = 12
_TOO_LARGE = 1e150      # squares overflow


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
    return _records(notes.read(notes.EVALUATIONS, oid))


class Noted:
    """The same of many models: the notes are listed once, when first asked."""

    def __init__(self, blobs: CatFile) -> None:
        self._blobs = blobs
        self._notes: Mapping[str, str] | None = None

    def of(self, oid: str | None) -> list[Record]:
        if self._notes is None:
            self._notes = notes.listed(notes.EVALUATIONS)
        note = self._notes.get(oid or '')
        text = self._blobs.blob(note) if note else None
        return _records((text or b'').decode('utf-8', 'replace').splitlines())


def _records(lines: Iterable[str]) -> list[Record]:
    return [record for record in map(_parsed, lines) if record is not None]


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
    is_sound = all(abs(number) < _TOO_LARGE for number in numbers)
    return data['version'] == _VERSION and is_sound and (
        bool(record.scores.get(record.metric)))
