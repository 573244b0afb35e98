"""Version control for the weights of a model, tensor by tensor, through plain Git.

Floors of the house, from the top; imports point down only (tests/floors_test.py):

    cli         doors: one module per verb, parsing and printing
    render      faces: text for people
    evaluation  acts: evaluators, folds, statistics, the best version, soups
    upkeep      acts: what is needed, pruning, repacking, migrating
    filters     acts: clean, smudge, the filter process, statistics
    merging     acts: the driver, the rules, methods, conflicts
    transfer    acts: tensors from one machine's store to another
    formats     readers: one file per format
    store       machines: objects, caches
    git         machines: the only place that runs git
    core        words: oids, dtypes, manifests, layouts; no input or output
"""
from __future__ import annotations

__version__ = '0.1.0'
