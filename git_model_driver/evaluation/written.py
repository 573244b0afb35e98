"""What an evaluator wrote: to {out}, or into its folder as known tools do.

lm-evaluation-harness told ``--output_path {out}`` writes ``out_<time>.json`` beside it
(or a folder for the model, where the path has no ``.json``), and with --log_samples
``samples_<task>_<time>.jsonl``, a line for each example. DVC's metric files are JSON,
TOML or YAML: what is copied to {out} may be any of these.
"""
from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from git_model_driver.evaluation import answers
from git_model_driver.evaluation import harness
from git_model_driver.evaluation.answers import Answer
from git_model_driver.evaluation.answers import Bad

_FLOAT = re.compile(r'[-+]?([0-9][0-9_]*)?\.?[0-9]+([eE][-+]?[0-9]+)?$')


def answer(out: Path, said: bytes) -> Answer:
    """The answer in {out} or its folder, or else the last JSON on standard output.

    Raises Bad, and OSError where files cannot be read.
    """
    if out.is_file() and (text := out.read_bytes()).strip():
        return answers.understood(_tree(text.decode('utf-8', 'replace')))
    found = list(_results(out.parent))
    if len(found) > 1:
        raise Bad('it wrote several files of results beside {out}')
    if found:
        return answers.checked(Answer(*harness.read(found[0], _samples(out.parent))))
    if not said.strip():
        raise Bad('it said nothing: neither on standard output nor in {out}')
    return answers.parse(said)


def _tree(text: str) -> Any:
    """JSON, maybe after a log; or else TOML; or else YAML."""
    try:
        return answers.last_json(text)
    except Bad as e:
        wrong = e
    found = _toml(text)
    if found is None:
        found = _yaml(text)
    if not isinstance(found, dict):
        raise wrong
    return found


def _toml(text: str) -> Any:
    try:
        import tomllib  # new in Python 3.11
    except ImportError:
        return None
    try:
        return tomllib.loads(text)
    except ValueError:
        return None


def _yaml(text: str) -> Any:
    """YAML 1.2's numbers, as DVC reads them: ``1e-3`` is one."""
    try:
        import yaml
    except ImportError:
        return None

    first = list('-+.0123456789')
    loader: Any = type('Loader', (yaml.SafeLoader,), {})
    loader.add_implicit_resolver('tag:yaml.org,2002:float', _FLOAT, first)
    try:
        return yaml.load(text, loader)
    except (yaml.YAMLError, ValueError, RecursionError):
        return None


def _files(folder: Path, suffix: str) -> Iterator[Path]:
    for place, _, names in os.walk(folder):
        yield from (Path(place, n) for n in sorted(names) if n.endswith(suffix))


def _results(folder: Path) -> Iterator[dict[str, Any]]:
    for file in _files(folder, '.json'):
        with suppress(ValueError, RecursionError):
            data = json.loads(file.read_bytes())
            if harness.is_results(data):
                yield data


def _samples(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Task and example, from every line of every file of samples."""
    for file in _files(folder, '.jsonl'):
        task = harness.task_of(file.name)
        if task is not None:
            with open(file, encoding='utf-8', errors='replace') as lines:
                for line in lines:
                    with suppress(ValueError, RecursionError):
                        yield task, json.loads(line)
