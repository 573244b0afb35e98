"""``git model <verb>``: finds the verb's module and turns errors into words."""
from __future__ import annotations

import codecs
import errno
import gc
import io
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from types import ModuleType
from types import SimpleNamespace
from typing import TYPE_CHECKING
from typing import NoReturn

from git_model_driver import __version__
from git_model_driver.core.errors import GitModelError

if TYPE_CHECKING:
    import argparse

# verb: (module in git_model_driver.cli, one line of help)
VERBS = {
    'install': ('install', 'set up the filter, the drivers and the hooks'),
    'uninstall': ('uninstall', 'remove exactly what install wrote'),
    'track': ('track', 'have files that match a pattern stored tensor by tensor'),
    'untrack': ('untrack', 'undo track'),
    'ls-files': ('ls_files', 'list the models of a version, and their tensors'),
    'status': ('status', 'say which tensors are changed, missing, or not pushed'),
    'show': ('show', 'show what is in a model, of any version'),
    'diff': ('diff', 'say which tensors changed, and how much'),
    'log': ('log', 'show the commits that changed models, and which tensors'),
    'blame': ('blame', 'say which commit last changed each tensor, and how'),
    'check-merge': ('check_merge', 'say what a merge would do to each tensor'),
    'check-rules': ('check_rules', 'say which rule decides how each tensor is merged'),
    'resolve': ('resolve', 'settle tensors that a merge left in conflict'),
    'evaluate': ('evaluate', 'cross-validate versions of a model'),
    'best': ('best', 'say which version is fit for production, and tag it'),
    'merge': ('merge', 'merge versions of a model into a soup'),
    'checkout': ('checkout', 'turn manifests in the worktree into models'),
    'pull': ('pull', 'get missing tensors, then check out'),
    'fetch': ('fetch', 'get the tensors of all versions'),
    'push': ('push', 'send tensors that git push did not'),
    'bundle': ('bundle', 'write commits and their tensors to one file'),
    'fsck': ('fsck', 'check manifests and the store'),
    'prune': ('prune', 'remove objects that nothing needs'),
    'gc': ('gc', 'encode objects better, and prune'),
    'migrate': ('migrate', 'rewrite history from Git or Git LFS to here, or back'),
    'du': ('du', 'say what takes space, per model and tensor'),
    'completion': ('completion', 'print completions for a shell'),
    'env': ('env', 'show what is installed and where from'),
    'version': ('version', 'print the version'),
}
# What git calls; nobody types these.
PLUMBING = {
    'filter-process': ('filter_process', 'the long-running clean and smudge filter'),
    'clean': ('clean', 'read a model, write its manifest'),
    'smudge': ('smudge', 'read a manifest, write its model'),
    'textconv': ('textconv', 'summarise a model or manifest for git diff'),
    'merge-driver': ('merge_driver', 'merge three manifests'),
    'merge-json': ('merge_json', 'merge three versions of a JSON file'),
    'prepare-commit-msg': (
        'prepare_commit_msg', 'note in a merge commit how models were merged',
    ),
    'pre-push': ('pre_push', 'send tensors before git sends commits'),
}
# These multiply no large matrices. OpenBLAS starts a thread for each core as soon as
# NumPy is imported, and they spin for a while: 0.1 s of CPU on two cores.
_WITHOUT_BLAS = frozenset({
    'filter-process', 'clean', 'smudge', 'textconv', 'checkout', 'pull', 'fetch',
    'push', 'fsck', 'status', 'ls-files', 'du', 'prune',
})
_OBJECTS = 1 << 16      # made between two searches for cycles; of Python: 700
_OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)


def program() -> NoReturn:
    """The command ``git-model``.

    What Git calls, for each file, ends at once: taking apart what Python has loaded is
    20 ms of work for nothing.
    """
    # What is imported stays; to look through it for garbage takes 7 ms.
    gc.set_threshold(_OBJECTS)
    code = main()
    if sys.argv[1:2] and sys.argv[1] in PLUMBING:
        for stream in filter(None, (sys.stdout, sys.stderr)):
            with suppress(OSError, ValueError):     # it has been said, or nobody hears
                stream.flush()
        os._exit(code)
    sys.exit(code)


def main(argv: Sequence[str] | None = None) -> int:
    arguments = list(sys.argv[1:] if argv is None else argv)
    codecs.register_error('git-model', _encode_anyway)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors='git-model')
    try:
        return _dispatch(arguments)
    except GitModelError as e:
        print(e, file=sys.stderr)
        return e.exit_code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Python flushes stdout at exit: give it somewhere to flush to.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 141
    except Exception as e:
        return tell(e)


def tell(error: Exception) -> int:
    """Say what went wrong, in words if it is no bug; the exit code."""
    if not isinstance(error, OSError):
        return _bug(error)
    if error.filename is not None:
        what = GitModelError(f"cannot use '{error.filename}': {error.strerror}")
    elif error.errno in _OF_THE_DISK:
        what = GitModelError(
            f'cannot write: {error.strerror}',
            'see to the space there ("df -h"), then run the command again',
        )
    else:
        return _bug(error)
    print(what, file=sys.stderr)
    return 128


def _bug(error: Exception) -> int:
    if os.environ.get('GIT_MODEL_TRACE'):
        raise error
    print(f'error: {type(error).__name__}: {error}', file=sys.stderr)
    print('hint: this is a bug in git-model; to see where, set GIT_MODEL_TRACE=1',
          file=sys.stderr)
    return 128


def _encode_anyway(error: UnicodeError) -> tuple[str | bytes, int]:
    """Paths need not be UTF-8, and names need not be in the terminal's encoding."""
    assert isinstance(error, UnicodeEncodeError)
    char = error.object[error.start]
    if '\udc80' <= char <= '\udcff':
        return bytes([ord(char) - 0xdc00]), error.start + 1
    return f'\\u{ord(char):04x}', error.start + 1


def _dispatch(arguments: list[str]) -> int:
    verb, rest = (arguments[0], arguments[1:]) if arguments else ('', [])
    if verb in ('', '-h', '--help', 'help'):
        return _help(rest)
    if verb == '--version':
        print(f'git-model version {__version__}')
        return 0
    found = VERBS.get(verb) or PLUMBING.get(verb)
    if found is None:
        return _unknown(verb)
    if rest[:1] == ['--help']:
        _manual(verb)
    if verb in _WITHOUT_BLAS:
        os.environ.setdefault('OPENBLAS_NUM_THREADS', '1')
    module = import_module(f'git_model_driver.cli.{found[0]}')
    code: int = module.run(_plain(module, rest) or _parsed(module, verb, rest))
    sys.stdout.flush()
    return code


def _plain(module: ModuleType, rest: list[str]) -> SimpleNamespace | None:
    """What git always calls in the same way needs no argparse, which takes 7 ms."""
    names = getattr(module, 'PLAIN', None)
    words = rest[rest[:1] == ['--']:]
    options = words == rest and any(word.startswith('-') for word in words)
    if names is None or len(words) != len(names) or options:
        return None
    return SimpleNamespace(**dict(zip(names, words)))


def _parsed(module: ModuleType, verb: str, rest: list[str]) -> argparse.Namespace:
    from git_model_driver.cli.parser import parse

    return parse(module, verb, rest)


def _manual(verb: str) -> None:
    from git_model_driver.git import manual

    manual.show(f'git-model-{verb}')


def _help(rest: list[str]) -> int:
    if rest and (rest[0] in VERBS or rest[0] in PLUMBING):
        return _dispatch([rest[0], '--help'])
    print('usage: git model <command> [<args>]\n')
    for verb, (_, line) in VERBS.items():
        print(f'   {verb:<12}{line}')
    print('\nRun by git: ' + ', '.join(PLUMBING))
    print('"git model <command> -h" says more.')
    return 0


def _unknown(verb: str) -> int:
    import difflib

    print(f"error: '{verb}' is not a git model command", file=sys.stderr)
    close = difflib.get_close_matches(verb, VERBS, 1)
    hint = f'did you mean "git model {close[0]}"?' if close else 'see "git model -h"'
    print(f'hint: {hint}', file=sys.stderr)
    return 129


def refuse_terminal(verb: str, what: str) -> None:
    """Plumbing must not sit waiting for somebody to type a model."""
    from git_model_driver.core.errors import UsageError

    if sys.stdin.isatty():
        raise UsageError(
            f'git model {verb} reads {what} on standard input; it is run by git',
            'see what people run with "git model -h"',
        )
