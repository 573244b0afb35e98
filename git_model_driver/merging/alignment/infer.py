"""A permutation spec from the names and shapes of a model's tensors."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from typing import NamedTuple

from git_model_driver.merging.alignment import chain
from git_model_driver.merging.alignment import resnets
from git_model_driver.merging.alignment import transformers
from git_model_driver.merging.alignment.spec import Shapes
from git_model_driver.merging.alignment.spec import Spec


class Inferred(NamedTuple):
    """A spec, and what it takes the model for, in words."""

    spec: Spec
    words: str


def infer(shapes: Shapes, config: Mapping[str, Any] | None = None) -> Inferred:
    """The groups of units: of a transformer, a ResNet, or a chain of layers.

    ``config`` is what config.json says. Raises AlignmentError where the names and
    shapes do not tell how the tensors are connected.
    """
    if transformers.recognised(shapes):
        return Inferred(*transformers.infer(shapes, config or {}))
    if resnets.recognised(shapes):
        return Inferred(*resnets.infer(shapes))
    return Inferred(*chain.infer(shapes))
