"""Where Keras looks for the variables of a model, by the model's config alone.

The inverse of names.renamed, for files written anew: a layer's group is named after
its class, and numbered from the second of that class on.
"""
from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any

from git_model_driver.core.errors import FormatError
from git_model_driver.formats.keras.names import FIRST
from git_model_driver.formats.keras.names import NUMBERED
from git_model_driver.formats.keras.names import SLOTS
from git_model_driver.formats.keras.names import VARIABLES
from git_model_driver.formats.keras.names import VARS
from git_model_driver.formats.keras.names import trained


def find(shapes: Mapping[str, tuple[int, ...]], config: Any) -> dict[str, str]:
    """Where Keras looks for the variables of these names, by the model's config.

    Raises FormatError where that does not follow from the config alone.
    """
    owners = _owners(config)
    found = {}
    for label in shapes:
        layer, _, variable = label.rpartition('/')
        known = VARIABLES.get(NUMBERED.sub('', owners.get(layer, '')), ())
        if variable in known:
            found[label] = f'layers/{owners[layer]}/{VARS}/{known.index(variable)}'
    found.update(_optimizer_paths(shapes, found, config))
    if set(found) != set(shapes):
        label = min(set(shapes) - set(found))
        raise FormatError(f"where Keras looks for '{label}' is not known")
    return found


def attributes(labels: Iterable[str], config: Any) -> dict[str, str]:
    """The name of every layer, the model and its optimizer, as Keras notes them."""
    found = {f'layers/{group}/{VARS}@name': f'str {name}'
             for name, group in _owners(config).items()
             if not group.startswith('input_layer')}
    name, kind = config['config'].get('name'), _kind(labels)
    found |= {f'{VARS}@name': f'str {name}'} if name else {}
    return found | ({f'optimizer/{VARS}@name': f'str {kind}'} if kind else {})


def _kind(labels: Iterable[str]) -> str | None:
    """An optimizer that keeps for each variable what these names say."""
    slots = {
        label.rpartition('/')[2] for label in labels
        if label.startswith('optimizer/') and label not in FIRST
    }
    return next((kind for kind, words in SLOTS.items() if set(words) == slots), None)


def _owners(config: Any) -> dict[str, str]:
    """The group of each layer: its class in snake case, numbered from the second on."""
    counts: Counter[str] = Counter()
    owners = {}
    try:
        for layer in config['config']['layers']:
            if layer['class_name'] == 'InputLayer':
                kind = 'input_layer'
            else:
                kind = _snake_case(layer['class_name'])
            number = counts[kind]
            counts[kind] += 1
            owners[layer['config']['name']] = f'{kind}_{number}' if number else kind
    except (KeyError, TypeError, AttributeError):
        raise FormatError('the config lists no layers') from None
    return owners


def _snake_case(name: str) -> str:
    """As keras.src.utils.naming has it."""
    name = re.sub(r'\W+', '', name)
    name = re.sub('(.)([A-Z][a-z]+)', r'\1_\2', name)
    return re.sub('([a-z])([A-Z])', r'\1_\2', name).lower()


def _optimizer_paths(
    shapes: Mapping[str, tuple[int, ...]], found: Mapping[str, str], config: Any,
) -> dict[str, str]:
    group = f'optimizer/{VARS}'
    numbered = {label: f'{group}/{i}' for i, label in enumerate(FIRST)}
    by_path = {path: label for label, path in found.items()}
    places = {path: shapes[label] for path, label in by_path.items()}
    ordered = dict(sorted(by_path.items(), key=lambda pair: _place(pair[0])))
    words = SLOTS.get(_kind(shapes) or '', ())
    for label, _ in trained(places, ordered, config):
        for word in words:
            numbered[f'optimizer/{label}/{word}'] = f'{group}/{len(numbered)}'
    return {label: path for label, path in numbered.items() if label in shapes}


def _place(path: str) -> tuple[str, int]:
    group, _, index = path.rpartition('/')
    return group, int(index)
