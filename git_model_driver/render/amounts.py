"""Amounts as people read them."""
from __future__ import annotations


def plural(n: int, noun: str) -> str:
    return f'{n} {noun}{"s" * (n != 1)}'


def size(nbytes: int) -> str:
    """Bytes as people read them, in powers of 1024."""
    amount, unit = float(nbytes), 'B'
    for larger in ('KiB', 'MiB', 'GiB', 'TiB'):
        if amount < 1024:
            break
        amount, unit = amount / 1024, larger
    return f'{amount:.0f} B' if unit == 'B' else f'{amount:.1f} {unit}'
