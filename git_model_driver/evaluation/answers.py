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

from git_model_driver.evaluation import harness
from git_model_driver.evaluation.harness import is_number

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


def parse(said: bytes) -> Answer:
    """The answer that is the last JSON in what was said. Raises Bad."""
    return understood(last_json(said.decode('utf-8', 'replace')))


def checked(answer: Answer) -> Answer:
    """The answer. Raises Bad unless it is one, of finite numbers."""
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
    if len(set(answer.ids)) != len(answer.ids):
        raise Bad('two of its examples have the same id')
    return answer


def last_json(text: str) -> Any:
    """The whole text, or what follows a log: from some line on to the end.

    Raises Bad.
    """
    lines = text.strip().splitlines(keepends=True)
    starts = [0, *(
        i for i in reversed(range(1, len(lines))) if lines[i][:1] in '{[-0123456789'
    )][:_MOST_STARTS]
    for start in starts:
        try:
            return json.loads(''.join(lines[start:]))
        except ValueError:
            continue
        except RecursionError:
            raise Bad('its JSON is nested too deep') from None
    last = lines[-1].strip()[:80]
    try:
        return float(last)      # JSON knows no "nan" nor "inf"
    except ValueError:
        pass
    raise Bad(f"there is no JSON at the end of what it said; the last line: '{last}'")


def understood(data: Any) -> Answer:
    """What data mean that an evaluator gave. Raises Bad."""
    try:
        return checked(_understood(data))
    except RecursionError:
        raise Bad('its JSON is nested too deep') from None
    except OverflowError:
        raise Bad('a number in its JSON is too large') from None


def _understood(data: Any) -> Answer:
    if is_number(data):
        return Answer({SCORE: float(data)})
    if isinstance(data, list):
        return _of_examples({}, {SCORE: data})
    if not isinstance(data, dict):
        raise Bad('its JSON is neither a number, a list nor an object')
    if harness.is_results(data):
        return Answer(*harness.read(data, ()))
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
        elif is_number(value):
            yield f'{prefix}{key}', float(value)


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
