"""What an evaluator says: JSON, as it is or as known tools write it.

Understood are ``{"metrics": {...}, "n": 200, "per_example": {"id": [...], "accuracy":
[...]}}``; a tree of numbers, as DVC's metric files are; the results of
lm-evaluation-harness; one number; a list of scores, one for each example.
"""
from __future__ import annotations

import json
from collections.abc import Iterator
from collections.abc import Mapping
from math import isfinite
from typing import Any
from typing import NamedTuple

SCORE = 'score'     # the name of a metric that has none
_MOST_STARTS = 200
_IDS = ('id', 'ids')


class Bad(Exception):
    """What is wrong with an answer, in words."""


class Answer(NamedTuple):
    """Metrics by dotted name; scores for each example, and what the examples are."""

    metrics: Mapping[str, float]
    examples: Mapping[str, tuple[float, ...]] = {}
    ids: tuple[str, ...] = ()

    def as_data(self) -> dict[str, Any]:
        return {
            'metrics': dict(self.metrics),
            'examples': {name: list(each) for name, each in self.examples.items()},
            'ids': list(self.ids),
        }


def restored(data: Any) -> Answer:
    """Inverse of ``as_data``. Raises KeyError, TypeError and ValueError."""
    return Answer(
        {str(name): float(value) for name, value in data['metrics'].items()},
        {str(name): tuple(map(float, each)) for name, each in data['examples'].items()},
        tuple(map(str, data['ids'])),
    )


def parse(file: bytes, out: bytes) -> Answer:
    """The answer in the file {out}, or else the last JSON on standard output.

    Raises Bad.
    """
    text = (file if file.strip() else out).decode('utf-8', 'replace').strip()
    if not text:
        raise Bad('it said nothing: neither on standard output nor in {out}')
    try:
        answer = _understood(_last_json(text))
    except RecursionError:
        raise Bad('its JSON is nested too deep') from None
    if not answer.metrics:
        raise Bad('its JSON has no number that could be a metric')
    for name, value in answer.metrics.items():
        if not isfinite(value):
            raise Bad(f"its '{name}' is {value}")
    for name, each in answer.examples.items():
        if not all(map(isfinite, each)):
            raise Bad(f"its '{name}' of some example is not a finite number")
        if answer.ids and len(answer.ids) != len(each):
            raise Bad(f"it has {len(answer.ids)} ids for {len(each)} of '{name}'")
    return answer


def _last_json(text: str) -> Any:
    """The whole text, or what follows a log: from some line on to the end."""
    lines = text.splitlines(keepends=True)
    starts = [0, *(
        i for i in reversed(range(1, len(lines))) if lines[i][:1] in '{[-0123456789'
    )][:_MOST_STARTS]
    for start in starts:
        try:
            return json.loads(''.join(lines[start:]))
        except ValueError:
            continue
    last = lines[-1].strip()[:80]
    try:
        return float(last)      # JSON knows no "nan" nor "inf"
    except ValueError:
        pass
    raise Bad(f"there is no JSON at the end of what it said; the last line: '{last}'")


def _understood(data: Any) -> Answer:
    if _is_number(data):
        return Answer({SCORE: float(data)})
    if isinstance(data, list):
        return _of_examples({}, {SCORE: data})
    if not isinstance(data, dict):
        raise Bad('its JSON is neither a number, a list nor an object')
    if 'results' in data and isinstance(data['results'], dict):
        return Answer(dict(_harness(data['results'])))
    metrics = data.get('metrics', data)
    found = dict(_leaves('', {k: v for k, v in _pairs(metrics) if k != 'per_example'}))
    return _of_examples(found, data.get('per_example') or {})


def _pairs(data: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(data, dict):
        yield from ((str(key), value) for key, value in data.items())
    else:
        yield SCORE, data


def _leaves(prefix: str, data: Any) -> Iterator[tuple[str, float]]:
    """Every number of a tree, under its dotted name."""
    for key, value in _pairs(data):
        if isinstance(value, dict):
            yield from _leaves(f'{prefix}{key}.', value)
        elif _is_number(value):
            yield f'{prefix}{key}', float(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _harness(results: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """``{"arc_easy": {"acc,none": 0.61, …}}``: ``arc_easy.acc``; other filters keep
    their names, ``gsm8k.exact_match,strict-match``.
    """
    for name, value in _leaves('', results):
        if '_stderr,' not in name:
            yield name.removesuffix(',none'), value


def _of_examples(metrics: dict[str, float], given: Any) -> Answer:
    if isinstance(given, list):
        given = {SCORE if not metrics else next(iter(metrics)): given}
    if not isinstance(given, dict):
        raise Bad("its 'per_example' is neither an object nor a list")
    ids: tuple[str, ...] = ()
    examples: dict[str, tuple[float, ...]] = {}
    for name, each in given.items():
        if not isinstance(each, list):
            raise Bad(f"its 'per_example' has no list for '{name}'")
        if name in _IDS:
            ids = tuple(map(str, each))
        elif each and all(isinstance(value, (bool, int, float)) for value in each):
            examples[name] = tuple(map(float, each))
            metrics.setdefault(name, sum(examples[name]) / len(each))
    return Answer(metrics, examples, ids)
