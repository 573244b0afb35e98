"""Objects encoded anew where that takes less room: better bases, a longer search."""
from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from typing import NamedTuple

from git_model_driver.core.errors import CorruptObject
from git_model_driver.core.errors import MissingObject
from git_model_driver.core.errors import StoreError
from git_model_driver.core.oid import Oid
from git_model_driver.git import roots
from git_model_driver.git.repository import Repository
from git_model_driver.store.chains import DEEPEST
from git_model_driver.store.chains import Chains
from git_model_driver.store.codec import sampling
from git_model_driver.store.codec.form import TEXT
from git_model_driver.store.codec.form import Form
from git_model_driver.store.encoder import SMALLEST
from git_model_driver.store.encoder import encoder
from git_model_driver.store.lock import locked
from git_model_driver.store.objectfile import ObjectFile
from git_model_driver.store.objectheader import UPDATED
from git_model_driver.store.objects import Store
from git_model_driver.store.rewrite import Attempt
from git_model_driver.store.rewrite import ObjectSpan
from git_model_driver.upkeep import examined
from git_model_driver.upkeep import lineages
from git_model_driver.upkeep.lineages import Version

Progress = Callable[[int, int], None]
WINDOW, WIDE_WINDOW = 10, 50
_TRIED, _MOST_TRIED = 2, 4          # bases that look best, and in earnest
_WORTH = 0.98                       # of the size: less is not worth the writing
_SAMPLE = 1 << 16                   # bytes


class Outcome(NamedTuple):
    """Objects that were looked at and encoded anew; bytes of all before and after."""

    objects: int
    rewritten: int
    before: int
    after: int


def repack(
    repository: Repository, store: Store, aggressive: bool = False,
    progress: Progress = lambda done, all_: None,
) -> Outcome:
    """Encode what is reachable anew, the oldest first. Raises StoreError.

    What an earlier run has looked at has no other bases now: it is left out, unless
    the search is to be aggressive.
    """
    if not store.root.is_dir():
        return Outcome(0, 0, 0, 0)
    with locked(store.root):
        found = roots.manifests_of(roots.everything(repository))
        versions = lineages.versions(found, WIDE_WINDOW if aggressive else WINDOW)
        own = [version for version in versions if store.has_own(version.oid)]
        known = set() if aggressive else examined.read(store.root)
        new = [version for version in own if version.oid not in known]
        repacking = _Repacking(store, new, aggressive)
        for i, version in enumerate(new):
            progress(i, len(new))
            repacking.improve(version)
        progress(len(new), len(new))
        examined.write(store.root, (version.oid for version in own))
    return repacking.outcome


class _Repacking:
    def __init__(
        self, store: Store, versions: Sequence[Version], aggressive: bool,
    ) -> None:
        self.store = store
        self.outcome = Outcome(len(versions), 0, 0, 0)
        self._aggressive = aggressive
        self._samples: dict[Oid, bytes] = {}
        bases = (pair for v in versions for pair in self._chain(v.oid))
        self._chains = Chains(bases, DEEPEST)

    def _chain(self, oid: Oid) -> Iterator[tuple[Oid, Oid | None]]:
        base: Oid | None = oid
        try:
            while base is not None:
                with self.store.open_here(base) as file:
                    yield base, file.header.base
                    base = file.header.base
        except (StoreError, OSError):
            return

    def improve(self, version: Version) -> None:
        """Damaged objects stay as they are: fsck is for them."""
        try:
            before = self.store.path(version.oid).stat().st_size
            after = self._improve(version, before)
        except (CorruptObject, MissingObject, FileNotFoundError):
            return
        done = self.outcome
        self.outcome = Outcome(
            done.objects, done.rewritten + (after != before), done.before + before,
            done.after + after,
        )

    def _improve(self, version: Version, before: int) -> int:
        with self.store.open_here(version.oid) as file, ExitStack() as attempts:
            best = self._best(version, file, attempts)
            if best is None or best.stored >= _WORTH * before:
                return before
            best.keep(self.store.open_here)
        self._chains.set(version.oid, best.base)
        return best.stored

    def _best(
        self, version: Version, file: ObjectFile, attempts: ExitStack,
    ) -> Attempt | None:
        if file.nbytes < SMALLEST:
            return None
        best: Attempt | None = None
        for base in self._bases(version):
            if file.header.codec == UPDATED and base == self._chains[version.oid]:
                continue        # it is as good as it gets
            attempt = self._attempt(version, ObjectSpan(file), base)
            if attempt is None:
                continue
            attempts.callback(attempt.drop)
            if best is None or attempt.stored < best.stored:
                best = attempt
        return best

    def _attempt(
        self, version: Version, span: ObjectSpan, base: Oid | None,
    ) -> Attempt | None:
        """Encoded with this base; None where it cannot be smaller."""
        coder = encoder(
            version.form, base, self.store.open_here, version.matrix, span,
            thorough=True,
        )
        try:
            if coder.update is None and not self._is_nearer(version, base):
                return None
            return Attempt(self.store.root, version.oid, span, coder)
        finally:
            coder.close()

    def _is_nearer(self, version: Version, base: Oid | None) -> bool:
        if version.form.kind == TEXT:
            return True
        now = self._bits(version, self._chains[version.oid])
        return self._bits(version, base) < _WORTH * now

    def _bases(self, version: Version) -> list[Oid | None]:
        """What to try: those that predict a sample best, and the oldest.

        Text may be smaller alone, too: it is compressed harder than when it was added.
        """
        allowed = [
            base for base in version.older
            if self._chains.may_base(version.oid, base)
        ]
        most = _MOST_TRIED if self._aggressive else _TRIED
        if version.form.kind == TEXT:
            return [*allowed[:most], None]
        ranked = sorted(allowed, key=partial(self._bits, version))
        return list(dict.fromkeys([*ranked[:most], *allowed[-1:]]))

    def _bits(self, version: Version, base: Oid | None) -> float:
        """About how many an element takes with this base; with none: alone."""
        import numpy

        form = version.form
        x = numpy.frombuffer(self._sample(version.oid, form), f'<u{form.width}')
        if base is None:
            return sampling.bits(x, None, form)
        y = numpy.frombuffer(self._sample(base, form), f'<u{form.width}')
        n = min(len(x), len(y))
        return sampling.bits(x[:n], y[:n], form) if n else float('inf')

    def _sample(self, oid: Oid, form: Form) -> bytes:
        """Whole elements from the middle of an object; none where it is damaged."""
        if oid not in self._samples:
            if len(self._samples) > 2 * WIDE_WINDOW:
                self._samples.clear()
            self._samples[oid] = _middle(self.store, oid, form.width)
        return self._samples[oid]


def _middle(store: Store, oid: Oid, width: int) -> bytes:
    try:
        with store.open_here(oid) as file:
            at = max(0, file.nbytes - _SAMPLE) // 2
            data = file.read(at - at % width, _SAMPLE)
            return data[:len(data) - len(data) % width]
    except (StoreError, OSError):
        return b''

