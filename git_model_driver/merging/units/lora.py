"""LoRA pairs: what counts is the product, s B A, not the factors.

"LoRA" (Hu et al., arXiv 2106.09685): D = s B A with A (r x n), B (m x r) and s =
alpha / r; rsLoRA (arXiv 2312.03732): s = alpha / sqrt(r). The wanted result is D of
the merged model, a sum of the versions' (and base's) D. By the rule ``lora``:

``svd``          its nearest product of the same rank, the error reported (default);
``concatenate``  the sum itself, of the sum of the ranks: adapter_config.json must
                 then say so;
``factors``      B and A merged each by itself, as other programs do: wrong by
                 (B_1 - B_2)(A_1 - A_2) / 4, fine for small steps from one adapter.

Names of PEFT, diffusers and kohya are known, those for convolutions too.
"""
from __future__ import annotations

import re
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple
from typing import Optional

from git_model_driver.core import dtype as dtypes
from git_model_driver.core import numbers
from git_model_driver.core.model import Entry
from git_model_driver.merging import adapter
from git_model_driver.merging import lowrank
from git_model_driver.merging.adapter import Settings
from git_model_driver.merging.lowrank import Term
from git_model_driver.merging.rules import complete
from git_model_driver.merging.units.base import Case
from git_model_driver.merging.units.base import Desk
from git_model_driver.merging.units.base import Side
from git_model_driver.merging.units.base import Unsettled

WORTH_A_NOTE = 1e-3     # relative error
_FORMS = (
    re.compile(r'(.*)(\.lora_)(A|B)((?:\.[^.]+)?\.weight)'),
    re.compile(r'(.*)(\.lora_embedding_)(A|B)((?:\.[^.]+)?)'),
    re.compile(r'(.*)([._]lora[._])(down|up)(\.weight)'),
)
_SECOND = {'A': 'B', 'down': 'up'}


class Pair(NamedTuple):
    """Names of the factors, and of the tensor that holds alpha where one does."""

    a: str
    b: str
    module: str
    alpha: Optional[str] = None

    @property
    def names(self) -> tuple[str, ...]:
        return (self.a, self.b, *([self.alpha] if self.alpha else []))


class Outcome(NamedTuple):
    """The pair's tensors, and by how much of |D| their product is off."""

    entries: dict[str, Entry]
    error: float


class _Version(NamedTuple):
    """A side's factors as they are stored, and how they are scaled."""

    b: Entry
    a: Entry
    settings: Settings


class _Work(NamedTuple):
    """A pair on all sides; ``like`` is whose rank and scale the result has."""

    pair: Pair
    base: Optional[_Version]
    versions: Sequence[_Version]
    like: int


def find(entries: Mapping[str, Entry]) -> list[Pair]:
    """The pairs whose factors have shapes that go together."""
    found = []
    for name, entry in entries.items():
        match = next((m for form in _FORMS if (m := form.fullmatch(name))), None)
        if match is None or match[3] not in _SECOND:
            continue
        module, infix, first, rest = match.groups()
        other = entries.get(f'{module}{infix}{_SECOND[first]}{rest}')
        if other is not None and _fits(entry.shape, other.shape):
            alpha = f'{module}.alpha'
            found.append(
                Pair(name, other.name, module, alpha if alpha in entries else None),
            )
    return found


def _fits(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    """(r x n...) and (m x r), where a convolution's second has a 1 x 1 kernel."""
    return (
        len(a) > 1 and len(b) > 1 and a[0] == b[1] and a[0] > 0
        and all(length == 1 for length in b[2:])
    )


def settle(case: Case, desk: Desk) -> dict[str, Entry]:
    return merged(case, desk).entries


def merged(case: Case, desk: Desk) -> Outcome:
    """Merge one pair. Raises Unsettled."""
    work = _prepared(case, desk)
    way = desk.choose(case.names[0]).options.get('lora', 'svd')
    if way == 'factors':
        return _by_factors(case, work, desk)
    terms = _terms(case.names[0], work, desk)
    if way == 'concatenate':
        return _concatenated(case, work, terms, desk)
    like = work.versions[work.like]
    reduced = lowrank.truncated(terms, like.settings.rank)
    scale = like.settings.scale
    if reduced.error > WORTH_A_NOTE:
        desk.note(
            f'{work.pair.module}: product of LoRA factors cut back to rank '
            f'{like.settings.rank}, relative error {reduced.error:.2%}',
        )
    b = reduced.b / abs(scale) ** 0.5 * (-1 if scale < 0 else 1)
    entries = _saved(desk, like, b, reduced.a / abs(scale) ** 0.5)
    return Outcome({**entries, **_alpha(case, work)}, reduced.error)


def _prepared(case: Case, desk: Desk) -> _Work:
    """Read and compare what the sides say. Raises Unsettled."""
    pairs = find(case.versions[0])
    if len(pairs) != 1 or set(pairs[0].names) != set(case.names):
        raise Unsettled('its LoRA factors do not go together')
    pair = pairs[0]
    configs = [adapter.read(desk.siblings, i) for i in range(len(case.versions))]
    before = adapter.read(desk.siblings, -1) if case.base else None
    adapter.check(before, configs)
    versions = [
        _version(pair, side, config, desk)
        for side, config in zip(case.versions, configs)
    ]
    whole = all(name in case.base for name in pair.names)
    base = _version(pair, case.base, before, desk) if whole else None
    for version in (*versions, *([base] if base else [])):
        if _outer(version) != _outer(versions[0]):
            raise Unsettled('the shapes of the products of its LoRA factors differ')
    return _Work(pair, base, versions, _like(base, versions))


def _version(
    pair: Pair, side: Side, config: Mapping[str, Any] | None, desk: Desk,
) -> _Version:
    if not all(name in side for name in pair.names):
        raise Unsettled('one of its two LoRA factors is missing')
    a, b = side[pair.a], side[pair.b]
    if not {a.dtype, b.dtype} <= dtypes.FLOATS - {'C64', 'C128'}:
        raise Unsettled(f'LoRA factors of {a.dtype} and {b.dtype} are not merged')
    if not _fits(a.shape, b.shape):
        raise Unsettled('its LoRA factors do not go together')
    if pair.alpha is None:
        return _Version(b, a, adapter.settings(config, pair.module, a.shape[0]))
    alpha = desk.load(side[pair.alpha]).astype('float64').reshape(-1)
    if len(alpha) != 1 or not abs(float(alpha[0])) > 0:
        raise Unsettled(f'{pair.alpha} is no scale')
    return _Version(b, a, Settings(a.shape[0], float(alpha[0])))


def _outer(version: _Version) -> tuple[tuple[int, ...], tuple[int, ...]]:
    return version.a.shape[1:], version.b.shape[:1] + version.b.shape[2:]


def _like(base: _Version | None, versions: Sequence[_Version]) -> int:
    """Whose rank and alpha the merged adapter_config.json has: who changed them."""
    said = [version.settings for version in versions]
    if len(set(said)) == 1:
        return 0
    changed = [i for i, new in enumerate(said) if base and new != base.settings]
    if len({said[i] for i in changed}) != 1:
        raise Unsettled('both sides changed the rank or alpha of the LoRA')
    return changed[0]


def _coefficients(name: str, n: int, desk: Desk) -> tuple[float, list[float]]:
    """What base's and the versions' products count in the sum; together 1."""
    choice = desk.choose(name)
    if choice.method == 'linear':
        return 0.0, [float(share) for share in desk.shares(name)]
    if choice.method == 'apply':
        return 1.0 - n, [1.0] * n
    if choice.method != 'task_arithmetic':
        raise Unsettled(
            f"'{choice.method}' cannot merge a product of LoRA factors: 'linear', "
            "'apply' and 'task_arithmetic' can, and 'lora = factors' takes any method",
        )
    values = complete(choice)
    weights = desk.weights(name)
    total = sum(weights) if values['normalize'] else 1
    if not total:
        raise Unsettled('the weights sum to 0')
    exactly = [values['lambda'] * weight / total for weight in weights]
    return float(1 - sum(exactly)), [float(weight) for weight in exactly]


def _terms(name: str, work: _Work, desk: Desk) -> list[Term]:
    """D's parts, in an order that does not depend on who is ours."""
    of_base, of_versions = _coefficients(name, len(work.versions), desk)
    if of_base and work.base is None:
        raise Unsettled('added on several sides: there is no base to compare with')
    parts = list(zip(of_versions, work.versions))
    if of_base and work.base:
        parts.append((of_base, work.base))
    parts.sort(key=lambda part: (part[1].b.oid, part[1].a.oid, part[0]))
    terms = [_term(factor, version, desk) for factor, version in parts if factor]
    if not terms:
        raise Unsettled('the weights sum to 0')
    return terms


def _term(factor: float, version: _Version, desk: Desk) -> Term:
    import numpy

    b, a = (desk.load(e).astype('float64') for e in (version.b, version.a))
    if not (numpy.isfinite(a).all() and numpy.isfinite(b).all()):
        raise Unsettled('both sides changed it, and it holds NaN or infinity')
    rank = version.settings.rank
    scale = factor * version.settings.scale
    return Term(scale, b.reshape(-1, rank), a.reshape(rank, -1))


def _saved(desk: Desk, like: _Version, b: Any, a: Any) -> dict[str, Entry]:
    """Both factors, rounded once, in the shapes of ``like`` but for the rank."""
    import numpy

    rank, found = len(a), {}
    for entry, array, shape in (
        (like.a, a, (rank, *like.a.shape[1:])),
        (like.b, b, (like.b.shape[0], rank, *like.b.shape[2:])),
    ):
        stored = numbers.rounded(array, entry.dtype)
        if not numpy.isfinite(numbers.widened(stored, entry.dtype)).all():
            raise Unsettled(f'the result overflows {entry.dtype}')
        found[entry.name] = desk.save(stored.reshape(shape), entry)
    return found


def _alpha(case: Case, work: _Work) -> dict[str, Entry]:
    name = work.pair.alpha
    return {name: case.versions[work.like][name]} if name else {}


def _concatenated(
    case: Case, work: _Work, terms: Sequence[Term], desk: Desk,
) -> Outcome:
    """All terms side by side, the scale of ``like`` kept by a larger alpha."""
    b, a = lowrank.joined(terms)
    like = work.versions[work.like]
    settings = like.settings.of_rank(len(a))
    entries = {}
    name = work.pair.alpha
    if name:
        old = case.versions[work.like][name]
        array = desk.load(old).copy()
        array[...] = settings.alpha
        settings = settings._replace(alpha=float(array.reshape(-1)[0]))
        entries[name] = desk.save(array, old)
    else:
        desk.note(
            f'{work.pair.module}: LoRA factors concatenated; {adapter.FILE} must say '
            f'r = {len(a)} and lora_alpha = {settings.alpha:.12g} for it (in '
            'rank_pattern and alpha_pattern, unless for all modules)',
        )
    entries.update(_saved(desk, like, b / settings.scale, a))
    return Outcome(entries, 0.0)


def _by_factors(case: Case, work: _Work, desk: Desk) -> Outcome:
    """Each factor by the rules' method; says how wrong that is where it can."""
    sides = [*work.versions, *([work.base] if work.base else [])]
    if len({side.settings for side in sides}) > 1:
        raise Unsettled('LoRA factors of different ranks or scales cannot be merged')
    try:
        error = lowrank.factorwise_error(_terms(case.names[0], work, desk))
        said = f'relative error {error:.2%} of their product'
    except Unsettled:
        error, said = float('nan'), 'their product is not what the method gives'
    entries = {
        name: desk.merge(name, case.base.get(name), [v[name] for v in case.versions])
        for name in work.pair.names[:2]
    }
    desk.note(f'{work.pair.module}: LoRA factors merged one by one: {said}')
    return Outcome({**entries, **_alpha(case, work)}, error)
