"""What PEFT's adapter_config.json says about how a LoRA's factors are scaled."""
from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

from git_model_driver.merging.units.base import Siblings
from git_model_driver.merging.units.base import Unsettled

FILE = 'adapter_config.json'
_DEFAULT = 8            # PEFT's r and lora_alpha
_PREFIX = 'base_model.model.'


class Settings(NamedTuple):
    """Of one pair: scale = alpha / rank, or alpha / sqrt(rank) where ``root``."""

    rank: int
    alpha: float
    root: bool = False

    @property
    def scale(self) -> float:
        return self.alpha / (math.sqrt(self.rank) if self.root else self.rank)

    def of_rank(self, rank: int) -> Settings:
        """The same scale for another rank."""
        ratio = rank / self.rank
        alpha = self.alpha * (math.sqrt(ratio) if self.root else ratio)
        return Settings(rank, alpha, self.root)


def read(siblings: Siblings, side: int) -> Mapping[str, Any] | None:
    """The file as one side has it. Raises Unsettled where it makes no sense."""
    data = siblings.read(side, FILE)
    if data is None:
        return None
    try:
        config = json.loads(data)
    except ValueError:
        config = None
    if not isinstance(config, dict):
        raise Unsettled(f'{FILE} cannot be read in one of the versions')
    return config


def settings(config: Mapping[str, Any] | None, module: str, rank: int) -> Settings:
    """How that module's pair is scaled; by 1 where there is no file."""
    if config is None:
        return Settings(rank, rank)
    said = _number(config, 'r', 'rank_pattern', module)
    if said != rank:
        raise Unsettled(f'{FILE} says r = {said:g}, and its factors have rank {rank}')
    alpha = _number(config, 'lora_alpha', 'alpha_pattern', module)
    return Settings(rank, alpha, bool(config.get('use_rslora')))


def _number(
    config: Mapping[str, Any], key: str, pattern_key: str, module: str,
) -> float:
    """A pattern's value where one matches the module as PEFT does it."""
    value, patterns = config.get(key, _DEFAULT), config.get(pattern_key)
    name = module[len(_PREFIX):] if module.startswith(_PREFIX) else module
    for pattern, special in (patterns or {}).items():
        if _matches(pattern, name):
            value = special
            break
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise Unsettled(f"{FILE} says '{key}' is no number")
    if not (math.isfinite(value) and value):
        raise Unsettled(f"{FILE} says '{key}' is {value}")
    return value


def _matches(pattern: str, name: str) -> bool:
    """PEFT's ``get_pattern_key``: the pattern is a whole end of the name."""
    try:
        return re.match(rf'(.*\.)?({pattern})$', name) is not None
    except re.error:
        return False


def check(
    base: Mapping[str, Any] | None, versions: Sequence[Mapping[str, Any] | None],
) -> None:
    """Raises Unsettled where the versions' adapters are not of one kind."""
    key = 'base_model_name_or_path'
    models = sorted({str(config.get(key)) for config in versions if config})
    if len(models) > 1:
        raise Unsettled(f'adapters for different models: {" and ".join(models)}')
    before = _targets(base)
    after = {_targets(config) for config in versions} - {before}
    if len(after) > 1:
        raise Unsettled(f"both sides changed 'target_modules' in {FILE}")


def _targets(config: Mapping[str, Any] | None) -> object:
    targets = (config or {}).get('target_modules')
    return frozenset(map(str, targets)) if isinstance(targets, list) else targets
