"""What a shell needs to complete ``git model``, as text in its own language."""
from __future__ import annotations

import re
from collections.abc import Iterator
from collections.abc import Sequence
from typing import NamedTuple

_FISH = '__fish_git_using_command model'


class Option(NamedTuple):
    """``flags`` as they are typed; ``takes`` a value (``=`` after a long one)."""

    flags: tuple[str, ...]
    takes: bool
    help: str


class Verb(NamedTuple):
    """``has_revisions``: its arguments may be commits, and not only files."""

    name: str
    help: str
    options: Sequence[Option]
    has_revisions: bool


def bash(verbs: Sequence[Verb]) -> Iterator[str]:
    """A function that Git's own completion calls."""
    names = ' '.join(verb.name for verb in verbs)
    yield '# Completion of "git model", called by that of Git:'
    yield '#   eval "$(git model completion bash)"     in ~/.bashrc'
    yield '_git_model ()'
    yield '{'
    yield f'    local verbs="{names}"'
    yield '    local verb="$(__git_find_on_cmdline "$verbs")"'
    yield '    case "$verb,$cur" in'
    yield '    ,*) __gitcomp "$verbs" ;;'
    for verb in verbs:
        words = ' '.join(
            f'{flag}{"=" * option.takes}' for option in verb.options
            for flag in option.flags if flag.startswith('--')
        )
        yield f'    {verb.name},--*) __gitcomp "{words}" ;;'
    revised = '|'.join(f'{verb.name},*' for verb in verbs if verb.has_revisions)
    yield f'    {revised}) __git_complete_revlist_file ;;'
    yield '    esac'
    yield '}'


def zsh(verbs: Sequence[Verb]) -> Iterator[str]:
    """A function that zsh's completion of Git calls."""
    yield '#compdef git-model'
    yield '# Completion of "git model", called by that of Git:'
    yield '#   eval "$(git model completion zsh)"     in ~/.zshrc, after compinit'
    yield '_git-model () {'
    yield '    local curcontext="$curcontext" state line ret=1'
    yield '    local -a verbs=('
    for verb in verbs:
        yield f'        {_quoted(f"{verb.name}:{verb.help}")}'
    yield '    )'
    yield "    _arguments -C '1: :->verb' '*:: :->rest' && ret=0"
    yield '    case $state in'
    yield "    verb) _describe -t commands 'git model command' verbs && ret=0 ;;"
    yield '    rest)'
    yield '        case $line[1] in'
    for verb in verbs:
        yield f'        {verb.name}) _arguments \\'
        for option in verb.options:
            yield f'            {_zsh_option(option)} \\'
        if verb.has_revisions:
            yield ("            '*: :{ _alternative "
                   '"refs:revision:__git_model_refs" "files:file:_files" }\' '
                   '&& ret=0 ;;')
        else:
            yield "            '*:file:_files' && ret=0 ;;"
    yield '        esac ;;'
    yield '    esac'
    yield '    return ret'
    yield '}'
    yield '__git_model_refs () {'
    yield ("    compadd -- HEAD "
           "${(f)\"$(git for-each-ref --format='%(refname:short)' 2>/dev/null)\"}")
    yield '}'
    yield "zstyle ':completion:*:*:git:*' user-commands model:'models, by tensors'"
    yield 'compdef _git-model git-model 2>/dev/null'


def _zsh_option(option: Option) -> str:
    """``'(-s --size)'{-s,--size}'[print sizes]'``"""
    said = re.sub(r'([\[\]:])', r'\\\1', option.help)
    flags = [
        f'{flag}{"=" if option.takes and flag.startswith("--") else ""}'
        for flag in option.flags
    ]
    value = ':value: ' if option.takes else ''
    if len(flags) == 1:
        return _quoted(f'{flags[0]}[{said}]{value}')
    excluded = _quoted(f'({" ".join(option.flags)})')
    return f'{excluded}{{{",".join(flags)}}}{_quoted(f"[{said}]{value}")}'


def fish(verbs: Sequence[Verb]) -> Iterator[str]:
    """Lines beside those of fish's completion of Git."""
    names = ' '.join(verb.name for verb in verbs)
    none = f'{_FISH}; and not __fish_seen_subcommand_from {names}'
    yield '# Completion of "git model", beside that of Git:'
    yield '#   git model completion fish > ~/.config/fish/conf.d/git-model.fish'
    yield ("complete -c git -n __fish_git_needs_command -a model "
           "-d 'models, by tensors'")
    for verb in verbs:
        yield (f'complete -f -c git -n {_quoted(none)} -a {verb.name} '
               f'-d {_quoted(verb.help)}')
    for verb in verbs:
        here = f'{_FISH}; and contains -- {verb.name} (commandline -opc)'
        for option in verb.options:
            flags = ' '.join(
                f'-l {flag[2:]}' if flag.startswith('--') else f'-s {flag[1:]}'
                for flag in option.flags
            )
            yield (f'complete -c git -n {_quoted(here)} {flags}{" -r" * option.takes} '
                   f'-d {_quoted(option.help)}')
        if verb.has_revisions:
            yield f'complete -c git -n {_quoted(here)} -a "(__fish_git_refs)"'


def _quoted(text: str) -> str:
    """One word, in all three (no text here has a backslash that fish would take)."""
    return "'" + text.replace("'", "'\\''") + "'"


SHELLS = {'bash': bash, 'zsh': zsh, 'fish': fish}
