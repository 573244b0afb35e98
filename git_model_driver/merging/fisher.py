"""Fisher information: a model of its own, beside the model it belongs to."""
from __future__ import annotations

import posixpath
from collections.abc import Sequence

from git_model_driver.core import manifest as manifests
from git_model_driver.core.errors import ManifestError
from git_model_driver.merging import tensors
from git_model_driver.merging.keys import NAMES
from git_model_driver.merging.rules import Rules
from git_model_driver.merging.tensors import Operand
from git_model_driver.merging.units.base import Siblings
from git_model_driver.merging.units.base import Side
from git_model_driver.merging.units.base import Unsettled
from git_model_driver.store.objects import Store


class Fisher:
    """Tensors of the Fisher files beside the model, by version and name."""

    def __init__(self, versions: Sequence[Side], path: str) -> None:
        self._versions = versions
        self._path = path

    def operands(
        self, name: str, members: Sequence[int], store: Store,
    ) -> list[Operand]:
        entries = [self._versions[i].get(name) for i in members]
        if None in entries:
            raise Unsettled(f"'{self._path}' has no '{name}' on every side")
        return [tensors.of_entry(entry, store) for entry in entries if entry]


def find(rules: Rules, siblings: Siblings, n: int, path: str) -> Fisher | None:
    """The Fisher files of n versions, where a rule names the method ``fisher``.

    They are tracked beside the model: ``m.fisher.safetensors`` for
    ``m.safetensors``, or the name that the rule ``fisher`` gives.
    """
    if not any(r.key in NAMES and r.value == 'fisher' for r in rules.rules):
        return None
    name = rules.choose('').options.get('fisher') or _default(path)
    versions = []
    for side in range(n):
        data = siblings.read(side, name) or b''
        try:
            found = manifests.parse(data, name) if data else None
        except ManifestError:
            found = None
        versions.append(found.tensors if found else {})
    return Fisher(versions, name)


def rules_for(path: str, rules: Rules) -> Rules:
    """The rules for a file: where it is a Fisher file itself, means for ``fisher``."""
    name = posixpath.basename(path)
    named = rules.choose('').options.get('fisher')
    if name != named and not posixpath.splitext(name)[0].endswith('.fisher'):
        return rules
    return Rules([
        rule._replace(value='linear')
        if rule.key in NAMES and rule.value == 'fisher' else rule
        for rule in rules.rules
    ], rules.operation)


def _default(path: str) -> str:
    stem, extension = posixpath.splitext(posixpath.basename(path))
    return f'{stem}.fisher{extension}'
