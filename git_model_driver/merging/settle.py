"""Settling what several versions changed in different ways, unit by unit."""
from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence
from typing import NamedTuple
from typing import Optional

from git_model_driver.core import dtype as dtypes
from git_model_driver.core.errors import CorruptObject
from git_model_driver.core.errors import FormatError
from git_model_driver.core.errors import MissingObject
from git_model_driver.core.model import Entry
from git_model_driver.core.trailer import Way
from git_model_driver.merging import applicable
from git_model_driver.merging import casts
from git_model_driver.merging.desk import Desk
from git_model_driver.merging.desk import Room
from git_model_driver.merging.methods import PICKS
from git_model_driver.merging.methods import find
from git_model_driver.merging.methods.base import trait
from git_model_driver.merging.rules import Choice
from git_model_driver.merging.sanity import Sample
from git_model_driver.merging.units import vocabulary
from git_model_driver.merging.units.base import Case
from git_model_driver.merging.units.base import Side
from git_model_driver.merging.units.base import Unsettled
from git_model_driver.merging.units.registry import Unit
from git_model_driver.merging.units.registry import handler
from git_model_driver.store import cores

_PARALLEL_FROM = 8 << 20
Parts = dict[str, Entry]


class Job(NamedTuple):
    """A unit that the versions at ``changed`` changed, in different ways."""

    unit: Unit
    base: Side
    sides: tuple[Side, ...]
    changed: tuple[int, ...]


class Settled(NamedTuple):
    """The unit's tensors, or the reason why there are none."""

    entries: Parts
    reason: Optional[str]
    ways: Sequence[Way]
    notes: Sequence[str]
    sample: Sample


def settle_all(jobs: Sequence[Job], room: Room) -> Iterable[Settled]:
    """Each job's outcome, in order; on all cores where there is enough to do."""
    work = sum(_nbytes(job) for job in jobs)
    if len(jobs) < 2 or work < _PARALLEL_FROM:
        return [settle(job, room) for job in jobs]
    from concurrent.futures import ThreadPoolExecutor  # 15 ms

    with ThreadPoolExecutor(cores.threads()) as pool:
        return list(pool.map(lambda job: settle(job, room), jobs))


def _nbytes(job: Job) -> int:
    return sum(
        entry.nbytes for name in job.unit.names
        for entry in [job.sides[job.changed[0]].get(name)] if entry
    )


def settle(job: Job, room: Room) -> Settled:
    """Merge the unit, or say why it cannot be. Raises RuleError."""
    choice, reason, entries = room.rules.choose(job.unit.names[0]), None, {}
    desk = Desk(room, _members(job, choice))
    try:
        if choice.method in PICKS:
            entries = _picked(job, choice)
        else:
            entries = _combine(job, choice, desk)
    except Unsettled as e:
        reason = str(e)
    except FormatError as e:
        reason = e.message
    except (MissingObject, CorruptObject) as e:
        reason = f'{e.message} ({e.hints[0]})'
    ways = desk.ways or [Way(_word(job, choice))]
    return Settled(entries, reason, ways, desk.notes, desk.sample)


def _word(job: Job, choice: Choice) -> str:
    """What the report calls the way in which it was settled."""
    if choice.method in PICKS:
        return choice.method
    entry = job.sides[job.changed[0]].get(job.unit.names[0])
    if job.unit.settle or entry is None:
        return job.unit.kind
    return handler(choice.options.get('class'), entry)[0]


def way(unit: Unit, entry: Entry, choice: Choice) -> str:
    """What settles a change of several versions: a method, or the way of its class."""
    if choice.method in PICKS or (unit.settle is None and _by_method(entry, choice)):
        return choice.method
    kind = unit.kind if unit.settle else handler(choice.options.get('class'), entry)[0]
    return f'as {kind}'


def _by_method(entry: Entry, choice: Choice) -> bool:
    kind, settle_class = handler(choice.options.get('class'), entry)
    if settle_class is None:
        return True
    return entry.dtype in dtypes.FLOATS and _overruled(choice, kind)


def _picked(job: Job, choice: Choice) -> Parts:
    """Take the side that the rule names, as it is; nothing where it has nothing."""
    if choice.method == 'conflict':
        raise Unsettled(f'both sides changed it (rule at {choice.origin})')
    if choice.method == 'theirs' and len(job.sides) > 2:
        raise Unsettled(f"'theirs' could be any of {len(job.sides) - 1} versions")
    picked = {
        'base': job.base, 'ours': job.sides[0], 'theirs': job.sides[-1],
    }[choice.method]
    return {name: picked[name] for name in job.unit.names if name in picked}


def _combine(job: Job, choice: Choice, desk: Desk) -> Parts:
    case = _case(job, choice, desk)
    if job.unit.settle is not None:
        return job.unit.settle(case, desk)
    name = case.names[0]
    base, versions = case.only(name)
    present = [entry for entry in versions if entry is not None]
    kind, settle_class = handler(choice.options.get('class'), present[0])
    numeric = all(entry.dtype in dtypes.FLOATS for entry in present)
    if settle_class is not None and not (numeric and _overruled(choice, kind)):
        return settle_class(case, desk)
    if vocabulary.recognised(name, base, present, desk.siblings):
        return vocabulary.settle(case, desk)
    return {name: casts.merge(name, base, present, desk)}


def _overruled(choice: Choice, kind: str) -> bool:
    """Whether a rule for this tensor by name, not for all, names a method."""
    return choice.specific and kind != 'nonnegative'


def _case(job: Job, choice: Choice, desk: Desk) -> Case:
    """The unit on the sides that take part. Raises Unsettled where one lacks it."""
    members = desk.members
    for name in job.unit.names:
        _check_present(name, job, members, desk)
        if name not in job.base and not (
            choice.explicit or applicable.averages_added(choice)
        ):
            entries = [job.sides[i][name] for i in members]
            raise Unsettled(
                f'added on both sides with different {_difference(entries)}',
            )

    def part(side: Side) -> Parts:
        return {n: side[n] for n in job.unit.names if n in side}

    return Case(
        job.unit.names, part(job.base), tuple(part(job.sides[i]) for i in members),
    )


def _members(job: Job, choice: Choice) -> tuple[int, ...]:
    """Versions that take part: one of those that did the same, but for means.

    A sum would count the same change twice.
    """
    if choice.method in PICKS or trait(find(choice.method), 'AVERAGE'):
        return job.changed
    kept: dict[object, int] = {}
    for i in job.changed:
        kept.setdefault(tuple(job.sides[i].get(n) for n in job.unit.names), i)
    return tuple(kept.values())


def _check_present(name: str, job: Job, members: Sequence[int], desk: Desk) -> None:
    labels = desk.room.labels
    without = [labels[i] for i in members if name not in job.sides[i]]
    if not without or len(without) == len(members):
        return
    has = [labels[i] for i in members if name in job.sides[i]]
    if name not in job.base:
        raise Unsettled(f'only in {", ".join(has)}, with what belongs to it changed')
    if has[0] == labels[0]:
        raise Unsettled(f'changed in {", ".join(has)}, deleted in {", ".join(without)}')
    raise Unsettled(f'deleted in {", ".join(without)}, changed in {", ".join(has)}')


def _difference(entries: Sequence[Entry]) -> str:
    if len({entry.dtype for entry in entries}) > 1:
        return 'dtypes'
    return 'shapes' if len({entry.shape for entry in entries}) > 1 else 'values'

