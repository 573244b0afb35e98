"""Every error a user can meet.

    GitModelError                  128  fatal, unless the class says otherwise
    +-- UsageError                 129  the command line makes no sense
    +-- NotARepository             128  no Git repository here
    +-- GitError                   128  a git command failed
    +-- FormatError                128  the bytes are no well-formed file of the format
    +-- ManifestError              128  the text is no valid manifest
    |   +-- UnsupportedManifest    128  it was written by a newer git-model
    |   +-- ConflictMarkers        128  tensors in it are still unsettled
    +-- RuleError                  128  a merge rule cannot be obeyed
    +-- StoreError                 128  the store cannot be written
    |   +-- ObjectError            128  a tensor cannot be had
    |   |   +-- MissingObject      128  a tensor is not in the store
    |   |   +-- CorruptObject      128  a tensor in the store is damaged
    |   +-- Changed                128  a file changed while it was read
    +-- HookExists                 1    somebody else's hook is in the way
"""
from __future__ import annotations

from git_model_driver.core.words import printable


class GitModelError(Exception):
    """What failed, in Git's words; ``hint`` holds what to type next."""

    exit_code = 128

    def __init__(self, message: str, *hint: str) -> None:
        super().__init__(message)
        self.message = printable(message)
        self.hints = tuple(map(printable, hint))

    def __str__(self) -> str:
        lines = [f'error: {self.message}', *(f'hint: {h}' for h in self.hints)]
        return '\n'.join(lines)


class UsageError(GitModelError):
    """The command line makes no sense."""

    exit_code = 129


class NotARepository(GitModelError):
    """There is no Git repository here."""


class GitError(GitModelError):
    """A git command failed."""


class FormatError(GitModelError):
    """The bytes are no well-formed file of the format: they are kept opaque."""


class ManifestError(GitModelError):
    """The text is no valid manifest."""


class UnsupportedManifest(ManifestError):
    """The manifest was written by a newer git-model."""


class ConflictMarkers(ManifestError):
    """Tensors of the manifest are still unsettled."""


class RuleError(GitModelError):
    """A merge rule cannot be obeyed."""


class StoreError(GitModelError):
    """The store cannot be written."""


class ObjectError(StoreError):
    """An object cannot be had; ``oid`` says which, where that is known."""

    def __init__(self, message: str, *hint: str, oid: str = '') -> None:
        super().__init__(message, *hint)
        self.oid = oid


class MissingObject(ObjectError):
    """A tensor is not in the store."""


class CorruptObject(ObjectError):
    """A tensor in the store is damaged."""


class Changed(StoreError):
    """A file changed while it was read."""


class HookExists(GitModelError):
    """Somebody else's hook is in the way."""

    exit_code = 1
