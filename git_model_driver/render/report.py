"""What the merge driver says."""
from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Protocol

from git_model_driver.core import trailer as trailers
from git_model_driver.core import words
from git_model_driver.render.amounts import plural


class Numbers(Protocol):
    """How the changes fit together (merging.sanity)."""

    @property
    def cosine(self) -> float: ...

    @property
    def norm_ratio(self) -> float: ...

    @property
    def sign_conflicts(self) -> float: ...


def counted(counts: Mapping[str, int], labels: Sequence[str]) -> list[str]:
    """Where the tensors that somebody changed came from."""
    said = [f'{counts[who]} from {who}' for who in labels if counts.get(who)]
    if counts.get('same'):
        said.append(f'{counts["same"]} changed alike')
    return said + [
        f'{n} {who}' for who, n in sorted(counts.items()) if who.startswith('by ')
    ]


def sanity(numbers: Numbers) -> str:
    """What people look at: do the two changes agree, and how much is left of them."""
    return (
        f'cosine of the changes {numbers.cosine:.2f}, '
        f'norm of the merged change {numbers.norm_ratio:.2f} times their mean, '
        f'sign conflicts {100 * numbers.sign_conflicts:.0f} %'
    )


def trailer(
    counts: Mapping[str, int], conflicts: int, numbers: Numbers | None,
    ways: Mapping[trailers.Way, int], others: bool,
    labels: Sequence[str] = ('ours', 'theirs'),
) -> str:
    """The same on one line, for the merge commit's message.

    Weights stand behind their method; ``others``: nobody finds all rules in the
    commit's .gitmodel.
    """
    known = {key: n for key, n in counts.items() if not key.startswith('by ')}
    said = counted(known, labels) + trailers.ways(ways)
    if conflicts:
        said.append(plural(conflicts, 'conflict'))
    line = ', '.join(said) or 'nothing to merge'
    if others:
        line += f'; {trailers.OTHER_RULES}'
    return f'{line}; {sanity(numbers)}' if numbers is not None else line


def merged(
    path: str, counts: Mapping[str, int], reasons: Mapping[str, str],
    notes: Sequence[str] = (), numbers: Numbers | None = None,
    labels: Sequence[str] = ('ours', 'theirs'),
) -> list[str]:
    """One line of counts, one per conflict and note, then what to do about them."""
    said = counted(counts, labels)
    if reasons:
        said.append(plural(len(reasons), 'conflict'))
    lines = [f'{words.printable(path)}: {", ".join(said)}'] if said else []
    lines += [f'  {words.printable(name)}: {why}' for name, why in reasons.items()]
    lines += [f'  {words.printable(note)}' for note in notes]
    if numbers is not None:
        lines.append(f'  {sanity(numbers)}')
    if reasons:
        lines.append(
            'hint: settle them with "git model resolve --ours|--theirs|--base '
            f'{words.shell(path)} [<tensor>...]"',
        )
    return lines
