"""Print what a shell needs to complete "git model": verbs, options, revisions.

For bash and zsh put eval "$(git model completion <shell>)" into ~/.bashrc or, after
compinit, ~/.zshrc. For fish write it to ~/.config/fish/conf.d/git-model.fish. The
completion of Git itself must be there, too.
"""
from __future__ import annotations

import argparse
from collections.abc import Iterator
from importlib import import_module

from git_model_driver.render import completion
from git_model_driver.render.completion import Option
from git_model_driver.render.completion import Verb

# What the verbs' positional arguments are called where they name commits.
_REVISIONS = frozenset({'revision', 'ref', 'branch', 'ignored', 'model', 'globs'})


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('shell', choices=sorted(completion.SHELLS))


def run(args: argparse.Namespace) -> int:
    for line in completion.SHELLS[args.shell](list(_verbs())):
        print(line)
    return 0


def _verbs() -> Iterator[Verb]:
    from git_model_driver.cli.main import VERBS

    for name, (module, line) in VERBS.items():
        parser = argparse.ArgumentParser()
        import_module(f'git_model_driver.cli.{module}').add_arguments(parser)
        actions = list(parser._actions)
        options = [_option(action) for action in actions if action.option_strings]
        positional = {action.dest for action in actions if not action.option_strings}
        yield Verb(name, line, options, bool(positional & _REVISIONS))


def _option(action: argparse.Action) -> Option:
    said = (action.help or '') % {'default': action.default}
    takes = action.nargs not in (0, '?')
    return Option(tuple(action.option_strings), takes, said.partition(';')[0])
