"""Version control for the weights of a model, tensor by tensor, through plain Git.

Floors of the house, from the top; imports point down only (tests/floors_test.py):

    cli         doors: one module per verb, parsing and printing
    render      faces: text for people
    looking     acts: what is in a model, what changed and how much
    history     acts: which commit changed which tensor, and how
    evaluation  acts: evaluators, folds, statistics, the best version, soups
    upkeep      acts: what is needed, pruning, repacking, migrating
    filters     acts: clean, smudge, the filter process, statistics
    merging     acts: the driver, the rules, methods, conflicts
    transfer    acts: tensors from one machine's store to another
    formats     readers: one file per format
    store       machines: objects, caches
    git         machines: the only place that runs git
    core        words: oids, dtypes, manifests, layouts; no input or output

In Python: ``open`` a model of any version, ``compare`` two, and ``clean`` or ``smudge``
a file as git has it done.
"""
from __future__ import annotations

import os as _os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from git_model_driver.looking.comparison import Comparison
    from git_model_driver.looking.merging import Result
    from git_model_driver.looking.model import Model

__all__ = ['__version__', 'clean', 'compare', 'merge', 'open', 'smudge']
__version__ = '0.1.0'


def open(spec: str | _os.PathLike[str]) -> Model:
    """A model of any version, tensors read as they are asked for.

    ``spec`` is ``[<revision>:]<path>`` as git has it (``HEAD~3:model.safetensors``), or
    ``:<path>`` for the index; a path alone is that file, in a repository or not. No
    worktree is needed. The model is a mapping of names to NumPy arrays, each a copy of
    its own, in the file's dtype (bfloat16 and float8 are ml_dtypes') and shape.

    Raises GitModelError (``core.errors``) for what is not there, or is no model.
    """
    from git_model_driver.looking.model import open_model

    return open_model(spec)


def compare(old: Model, new: Model) -> Comparison:
    """What changed from one model to another of the same repository, in float64.

    Raises GitModelError.
    """
    return old.diff(new)


def clean(path: str | _os.PathLike[str]) -> str:
    """The manifest of a model file, as ``git add`` makes it; its tensors are stored.

    Raises NotARepository, OSError, StoreError.
    """
    from git_model_driver.looking.model import manifest_of

    return manifest_of(path)


def smudge(manifest: str, path: str | _os.PathLike[str]) -> None:
    """Write the model of a manifest to a new file, byte for byte what was cleaned.

    Raises ManifestError, MissingObject, CorruptObject, FileExistsError, OSError; a file
    that could not be written whole is removed.
    """
    from git_model_driver.looking.model import write

    write(manifest, path)


def merge(
    base: str | _os.PathLike[str] | None,
    ours: str | _os.PathLike[str],
    theirs: str | _os.PathLike[str],
    rules: Mapping[str, Mapping[str, object]] | None = None,
    operation: str = 'merge',
) -> Result:
    """Merge three versions as Git would, tensor by tensor.

    Versions are named as for ``open``; tensors of files are stored. ``base`` None:
    there is no common ancestor. ``rules`` are those of ``.gitmodel``, by a glob over
    tensor names, ``''`` for the whole model: ``{'': {'merge': 'ties'}}``; the
    repository's own are not read. ``operation`` may be ``apply``: the change from base
    to theirs is carried over to ours.

    Raises GitModelError, RuleError, NotARepository.
    """
    from git_model_driver.looking.merging import merged

    return merged(base, ours, theirs, rules or {}, operation)
