"""Versions of a model against each other: evaluators, folds, statistics, soups."""
