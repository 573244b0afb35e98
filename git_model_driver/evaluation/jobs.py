"""One question to an evaluator: one version, one fold. It runs wherever it is sent."""
from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from typing import NamedTuple
from typing import Optional

from git_model_driver.core.words import printable
from git_model_driver.evaluation import answers
from git_model_driver.evaluation import versions
from git_model_driver.evaluation import written
from git_model_driver.evaluation.answers import Answer
from git_model_driver.evaluation.answers import Bad
from git_model_driver.evaluation.evaluators import Evaluator
from git_model_driver.git import programs

STOP = 'stop'       # a file beside the models: nothing is to be begun any more
_MOST_SAID = 200
_ENTRY = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'entry.py')


class Question(NamedTuple):
    """Which fold of which repeat; ``fold`` is None where all are asked for at once."""

    fold: Optional[int]
    folds: int
    seed: int
    train: tuple[int, ...] = ()
    test: tuple[int, ...] = ()

    def key(self, oid: str, identity: str) -> str:
        """Names the answer: 64 digits."""
        examples = hashlib.sha256(repr((self.train, self.test)).encode()).hexdigest()
        folds = self.folds if self.fold is not None else None
        said = json.dumps([1, oid, identity, self.fold, folds, self.seed, examples])
        return hashlib.sha256(said.encode()).hexdigest()


class Job(NamedTuple):
    """All that a worker needs; ``facts`` are those of the model's files."""

    key: str
    evaluator: Evaluator
    question: Question
    place: str          # what the version is written below
    path: str
    commit: str
    oid: str
    facts: Mapping[str, tuple[int, int, int]]
    top: str            # where the evaluator runs
    scratch: str        # where it may write {out}
    results: str        # where answers are kept


class Outcome(NamedTuple):
    """The answer, or why there is none."""

    job: Job
    answer: Optional[Answer]
    failure: str = ''


def run(job: Job) -> Outcome:
    """Ask, and keep the answer. What goes wrong is a failure, in words."""
    place = tempfile.mkdtemp(prefix='out-', dir=job.scratch)
    out = os.path.join(place, 'out.json')
    try:
        if versions.facts_of(job.path) != job.facts:
            raise Bad('another fold of it has written to the model')
        answer = ask(job, out)
        if versions.facts_of(job.path) != job.facts:
            raise Bad('it has written to the model, which all folds read')
    except Bad as e:
        return Outcome(job, None, printable(str(e)))
    except FileNotFoundError as e:
        gone = e.filename == job.path
        what = 'it, or another fold, has removed the model' if gone else str(e)
        return Outcome(job, None, printable(what))
    except OSError as e:
        return Outcome(job, None, printable(f'it cannot be run: {e}'))
    finally:
        shutil.rmtree(place, ignore_errors=True)
    with suppress(OSError):     # on another machine it may have no place
        keep(Path(job.results), job.key, answer)
    return Outcome(job, answer)


def run_apart(job: Job) -> Outcome:
    """``run`` in a worker, who is gone when interrupted: he must not begin the next
    one, as joblib's workers do after an exception.
    """
    try:
        with programs.interruptible():
            if os.path.exists(os.path.join(job.scratch, STOP)):
                raise SystemExit
            return run(job)
    except (KeyboardInterrupt, SystemExit):
        os._exit(1)


def ask(job: Job, out: str) -> Answer:
    """Run the evaluator and read what it says. Raises Bad and OSError."""
    values = _values(job.question, job.path, job.commit, out)
    words = job.evaluator.command
    asked: dict[str, Any] = {
        key: value for key, value in values.items() if key != 'out'
    }
    asked.update(train=job.question.train, test=job.question.test)
    ended = _run(job.evaluator, job.top, values, asked, job.scratch)
    if ended.code is None:
        raise Bad(f'it took longer than {job.evaluator.timeout:g} s, and was ended')
    if ended.code:
        raise Bad(f'it {_ending(ended.code)}{_last_words(ended.err)}')
    return written.answer(Path(out), ended.out if words else b'')


def _values(question: Question, path: str, commit: str, out: str) -> dict[str, Any]:
    fold = 0 if question.fold is None else question.fold
    return {
        'path': path, 'commit': commit, 'fold': fold, 'folds': question.folds,
        'seed': question.seed, 'out': out,
    }


def _run(
    evaluator: Evaluator, top: str, values: Mapping[str, Any],
    asked: Mapping[str, Any], notes: str,
) -> programs.Ended:
    environment = {f'MODEL_{key.upper()}': str(value) for key, value in values.items()}
    limit = evaluator.timeout
    if evaluator.command:
        line = evaluator.command
        for key, value in values.items():
            # Paths are of safe characters only (versions.write): no quotes are needed.
            line = line.replace(f'{{{key}}}', str(value))
        return programs.run(('sh', '-c', line), top, environment, limit, b'', notes)
    command = (evaluator.interpreter or sys.executable, _ENTRY, evaluator.python)
    given = json.dumps(asked).encode()
    return programs.run(command, top, environment, limit, given, notes)


def describe(evaluator: Evaluator, top: str, scratch: str) -> dict[str, Any]:
    """What an entry point wants to know, and its examples. Raises Bad and OSError."""
    out = os.path.join(scratch, 'describe.json')
    ended = _run(evaluator, top, {'out': out}, {'describe': True}, scratch)
    if ended.code is None:
        raise Bad('it took too long to say what it wants')
    if ended.code:
        raise Bad(f'it {_ending(ended.code)}{_last_words(ended.err)}')
    with open(out, encoding='utf-8') as file:
        found: dict[str, Any] = json.load(file)
    return found


def _ending(code: int) -> str:
    """A shell tells of its command's signal by a code above 128."""
    number = -code if code < 0 else code - 128 if code > 128 else 0
    try:
        return f'was ended by {signal.Signals(number).name}'
    except ValueError:
        return f'failed with code {code}'


def _last_words(err: bytes) -> str:
    lines = err.decode('utf-8', 'replace').strip().splitlines()
    return f': {lines[-1].strip()[:_MOST_SAID]}' if lines else ''


def keep(results: Path, key: str, answer: Answer) -> None:
    """Keep an answer under its key; it is there in full or not at all."""
    file = _file(results, key)
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f'{file.name}.{os.getpid()}-{os.urandom(4).hex()}')
    temporary.write_text(json.dumps(answer.as_data()), encoding='utf-8')
    os.replace(temporary, file)


def kept(results: Path, key: str) -> Answer | None:
    """An answer that was kept; a damaged one is none."""
    try:
        return answers.restored(json.loads(_file(results, key).read_bytes()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _file(results: Path, key: str) -> Path:
    return results / key[:2] / f'{key[2:]}.json'

