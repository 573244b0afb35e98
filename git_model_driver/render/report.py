"""What the merge driver says."""
from __future__ import annotations

from collections.abc import Mapping

from git_model_driver.core import words


def plural(n: int, noun: str) -> str:
    return f'{n} {noun}{"s" * (n != 1)}'


def merged(
    path: str, counts: Mapping[str, int], reasons: Mapping[str, str],
) -> list[str]:
    """One line of counts, then one per conflict, then what to do about them."""
    said = [
        f'{counts[who]} from {who}' for who in ('ours', 'theirs') if counts.get(who)
    ]
    if counts.get('same'):
        said.append(f'{counts["same"]} changed alike')
    said += [f'{n} {who}' for who, n in sorted(counts.items()) if who.startswith('by ')]
    if reasons:
        said.append(plural(len(reasons), 'conflict'))
    lines = [f'{words.printable(path)}: {", ".join(said)}'] if said else []
    lines += [f'  {words.printable(name)}: {why}' for name, why in reasons.items()]
    if reasons:
        lines.append(
            'hint: settle them with "git model resolve --ours|--theirs|--base '
            f'{words.shell(path)} [<tensor>...]"',
        )
    return lines


def size(nbytes: int) -> str:
    """Bytes as people read them, in powers of 1024."""
    amount, unit = float(nbytes), 'B'
    for larger in ('KiB', 'MiB', 'GiB', 'TiB'):
        if amount < 1024:
            break
        amount, unit = amount / 1024, larger
    return f'{amount:.0f} B' if unit == 'B' else f'{amount:.1f} {unit}'
