"""Write the manual pages from the commands' own help: python man/make.py

What -h says about a command (its docstring and its options) is the page; the
examples, and what no command says, stand here. tests/man_test.py keeps the pages
current.
"""
from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from git_model_driver.cli.main import PLUMBING
from git_model_driver.cli.main import VERBS
from git_model_driver.merging.methods import METHODS

FOLDER = Path(__file__).parent

# verb: (command, what it does)
EXAMPLES = {
    'install': (
        ('git model install', 'Once for each user.'),
        ('git model install --local', 'For this repository only.'),
        ('git model install --append-hooks',
         'Where there is another pre-push hook, that of git-lfs for instance.'),
    ),
    'uninstall': (
        ('git model uninstall --local', 'Undo "git model install --local".'),
    ),
    'track': (
        ('git model track "*.safetensors"', 'All such files, in all folders below.'),
        ('git model track --filename "weights [1].npz"', 'One file, literally.'),
        ('git model track', 'List what is tracked.'),
    ),
    'untrack': (
        ('git model untrack "*.npz" && git add -u && git add --renormalize .',
         'Keep such files in Git itself from the next commit on.'),
    ),
    'ls-files': (
        ('git model ls-files --size', 'The models of the index.'),
        ('git model ls-files --tensors v1.0', 'The tensors of a version.'),
    ),
    'status': (
        ('git model status', 'Tensors that are changed, missing, or not pushed.'),
        ('git model status --porcelain', 'The same for programs.'),
    ),
    'show': (
        ('git model show model.safetensors', 'The tensors and metadata of a file.'),
        ('git model show --stats v1.0:model.safetensors "*.mlp.*"',
         'Statistics of some tensors of a version.'),
    ),
    'diff': (
        ('git model diff', 'What is in the worktree and not in the index.'),
        ('git model diff --stat v1.0', 'Which layers changed since a version.'),
        ('git model diff --metric=rel,share,rank main...topic -- model.safetensors',
         'What a branch changed, in other numbers.'),
        ('git model diff --quiet HEAD~1', 'Exit with 1 if any model changed.'),
    ),
    'log': (
        ('git model log --oneline v1.0..', 'What changed since v1.0.'),
        ("git model log -p --tensor='lm_head.*' -n 3",
         'How much the last three changes of these tensors were.'),
    ),
    'blame': (
        ('git model blame model.safetensors "*.mlp.*"',
         'Where these tensors come from.'),
        ('git model blame --group model.safetensors v1.0', 'By layers, in a version.'),
    ),
    'check-merge': (
        ('git model check-merge topic', 'Before "git merge topic".'),
        ('git model check-merge --apply main', 'Before a rebase onto main.'),
    ),
    'check-rules': (
        ('git model check-rules model.safetensors "*.mlp.*"',
         'How some tensors would be merged, and which line says so.'),
        ('git -c model.merge=ties model check-rules', 'Check rules only.'),
    ),
    'resolve': (
        ('git model resolve --list model.safetensors', 'What is unsettled, and why.'),
        ('git model resolve --theirs model.safetensors lm_head.weight',
         'Take one tensor as it is on their side.'),
        ('git model resolve --method=linear -p weight=0.3 model.safetensors "*.bias"',
         'Average the biases, 0.3 of theirs.'),
        ('git model resolve --ours model.safetensors', 'Settle the rest, and stage.'),
        ('git model resolve model.safetensors', 'Stage what an editor has settled.'),
    ),
    'evaluate': (
        ('git model evaluate main topic -e accuracy -j 4',
         'Two versions on the same folds, four at once.'),
        ("git model evaluate --command 'python eval.py {path} {fold} {folds}' v1 v2",
         'By a command that no file configures.'),
        ('git model evaluate --recorded v1 v2', 'What is known of them.'),
    ),
    'best': (
        ('git model best a b c --tag=production',
         'Is one of three better than what is in production? Then it gets the tag.'),
        ('git model best --against=main --min-gain=-1%',
         'For CI: is HEAD no more than 1 % worse than main?'),
        ('git bisect run git model best --against v1',
         'Which commit did harm, after v1?'),
    ),
    'merge': (
        ('git model merge --uniform a b', 'The mean of HEAD, a and b.'),
        ('git model merge --greedy a b c -e accuracy',
         'Of those that improve the score together.'),
        ("git model merge --weights='0.5,0.5;layers.0=0.2,0.8' topic",
         'Weights by layer, as the trailer of such a commit has them.'),
    ),
    'checkout': (('git model checkout weights/', 'The models of one folder.'),),
    'pull': (('git model pull', 'After a clone, or a fetch.'),),
    'fetch': (
        ('git model fetch', 'Make a clone complete, as a backup is.'),
        ('git model fetch ../theirs', 'After fetching commits from there.'),
        ("git model fetch --tensors 'head.*'", 'Enough to merge these tensors.'),
    ),
    'bundle': (
        ('git model bundle create m.bundle main',
         'A branch with its models in one file; "git clone m.bundle" reads it.'),
        ('git model bundle create new.bundle v1..main', 'What came since v1.'),
    ),
    'push': (
        ('git model push origin', 'After "git push --no-verify", for instance.'),
    ),
    'fsck': (
        ('git model fsck', 'Every version, and the whole store.'),
        ('git model fsck --manifests main..topic',
         'Only that the manifests of a branch can be read, as a CI job would.'),
        ('git model fsck --repair',
         'Get back what is damaged or missing, from wherever it can be had.'),
    ),
    'prune': (
        ('git model prune -n', 'What would go.'),
        ('git model prune --expire=now', 'Do not wait two weeks.'),
        ('git model prune --pushed',
         'Make room: older versions stay on the remote only.'),
    ),
    'gc': (
        ('git model gc', 'Now and then, as "git gc".'),
        ('git model gc --aggressive --prune=now', 'Before a repository is archived.'),
    ),
    'migrate': (
        ('git model migrate info --everything', 'What is there to convert?'),
        ('git model migrate import --everything',
         'All branches and tags; then look around, and push with --force-with-lease.'),
        ("git model migrate import --include='*.pt,*.onnx' main",
         'These files, on one branch.'),
        ('git model migrate export --everything --to=lfs', 'Leave for Git LFS.'),
    ),
    'du': (
        ('git model du', 'Which models are large, over all versions?'),
        ('git model du model.safetensors', 'Which of its tensors?'),
        ('git model du -r v1.0..main', 'What came since.'),
    ),
    'completion': (
        ('eval "$(git model completion bash)"', 'In ~/.bashrc.'),
        ('eval "$(git model completion zsh)"', 'In ~/.zshrc, after compinit.'),
        ('git model completion fish > ~/.config/fish/conf.d/git-model.fish',
         'Once, for fish.'),
    ),
    'env': (('git model env', 'Is it installed, and what overrides what?'),),
    'version': (('git model version', ''),),
}

OVERVIEW = '''\
Files that match a pattern given to git model track are kept in Git as manifests,
a text with a line for each tensor: its name, dtype, shape and SHA-256. The tensors
themselves are in .git/model, each once, however many versions have it. The worktree
has the model, byte for byte.

All of Git works on such files as it works on text: git add, diff, log -p, blame,
checkout, merge, rebase, cherry-pick, revert, stash. The commands below do what Git
has no command for.
'''

RULES = '''\
Only a tensor that both sides changed is combined; what one side changed, or both
alike, is taken as it is. A merge takes the mean; a rebase, cherry-pick, revert or
stash adds the change, ours + (theirs - base). To have it otherwise write rules into
.gitmodel, in the syntax of git-config(1), and commit them: they are read from HEAD.
A subsection is a glob over tensor names, in which * crosses dots; the last match
wins, for each key. Git's own configuration comes after .gitmodel, and git -c last.
'''

RULES_EXAMPLE = '''\
[model]
        merge = linear
        weight = 0.3
[model "*.embed_tokens.weight"]
        merge = ours
'''

KEYS = (
    ('merge', 'How git merge combines: a method, or ours, theirs, base or conflict.'),
    ('apply', 'The same for rebase, cherry-pick, revert and stash.'),
    ('weight', "The share of theirs, 0 to 1; ours has the rest. Default: 0.5."),
    ('ours-weight, theirs-weight', 'Any two weights instead. Default: 1.'),
    ('align', 'permutation: first put the units of models that were trained apart in '
              'one order. Default: none.'),
    ('align-spec', 'A JSON file beside the model that says which axes carry the same '
                   'units.'),
)
CONFIGURATION = (
    ('model.materialize', 'now (the default): git writes models into the worktree, and '
     'holds each in memory. later: git gets manifests, and the models are written '
     'in their place before the command returns, a few chunks at a time.'),
    ('model.materializeThreshold', 'The size from which on models are written later: '
     'bytes, or with k, m or g. Default: 0, all of them.'),
)
FILES = (
    ('.gitattributes', 'Which files are models: written by git model track.'),
    ('.gitmodel', 'Rules for merges.'),
    ('.git/model', 'The tensors, shared by all worktrees.'),
    ('.git/hooks/pre-push', 'Sends the tensors before git push sends the commits.'),
)
ENVIRONMENT = (
    ('GIT_MODEL_TRACE', 'Show where an unexpected error comes from.'),
)
EXIT_STATUS = (
    ('0', 'Done.'),
    ('1', 'There are differences, conflicts or problems.'),
    ('128', 'The command failed; an error and a hint say why.'),
    ('129', 'The command line makes no sense.'),
)


def escape(text: str) -> str:
    text = text.replace('\\', r'\e').replace('-', r'\-')
    return text.replace('"', r'\(dq')


def line(text: str) -> str:
    """A line of text; a dot or quote in front would be a request."""
    return r'\&' + escape(text) if text.startswith(('.', "'")) else escape(text)


def head(name: str, what: str) -> Iterator[str]:
    yield '.\\" Written by man/make.py: change it there, or in the command\'s help.'
    yield f'.TH {escape(name.upper())} 1 "" git\\-model\\-driver "git model manual"'
    yield '.SH NAME'
    yield f'{escape(name)} \\- {line(what)}'


def paragraphs(text: str) -> Iterator[str]:
    for number, paragraph in enumerate(re.split(r'\n\n+', text.strip())):
        if number:
            yield '.PP'
        yield from map(line, paragraph.splitlines())


def listing(title: str, items: tuple[tuple[str, str], ...]) -> Iterator[str]:
    yield f'.SH {title}'
    for term, what in items:
        yield '.TP'
        yield f'.B {line(term)}'
        yield from filter(None, [line(what)])


def example(text: str) -> Iterator[str]:
    yield '.PP'
    yield '.in +4n'
    yield '.EX'
    yield from map(line, text.splitlines())
    yield '.EE'
    yield '.in'


def flags(action: argparse.Action) -> str:
    """An option as it is typed, or a positional argument."""
    if not action.option_strings:
        return placeholder(action)
    return ', '.join(action.option_strings) + _value(action)


def _value(action: argparse.Action) -> str:
    """What follows an option."""
    if action.nargs == '?':
        return f'[={action.metavar}]'
    return '' if action.nargs == 0 else f' {placeholder(action)}'


def placeholder(action: argparse.Action) -> str:
    name = str(action.metavar or action.dest)
    return name if name.startswith('<') else f'<{name}>'


def usage(parser: argparse.ArgumentParser) -> str:
    """The synopsis, the same under every version of Python."""
    words, grouped = [], set()
    groups = {
        id(action): group for group in parser._mutually_exclusive_groups
        for action in group._group_actions
    }
    for action in parser._actions:
        if action.dest == 'help':
            continue
        group = groups.get(id(action))
        if group is None:
            words.append(_in_usage(action))
        elif id(group) not in grouped:
            grouped.add(id(group))
            inside = ' | '.join(_shortest(a) for a in group._group_actions)
            words.append(f'({inside})' if group.required else f'[{inside}]')
    return ' '.join(words)


def _shortest(action: argparse.Action) -> str:
    return action.option_strings[0] + _value(action)


def _in_usage(action: argparse.Action) -> str:
    if action.option_strings:
        return f'[{_shortest(action)}]'
    name = placeholder(action)
    return {'*': f'[{name}...]', '+': f'{name}...', '?': f'[{name}]'}.get(
        str(action.nargs), name,
    )


def verb_page(verb: str) -> Iterator[str]:
    module_name, what = VERBS[verb]
    module = import_module(f'git_model_driver.cli.{module_name}')
    parser = argparse.ArgumentParser(f'git model {verb}')
    module.add_arguments(parser)
    yield from head(f'git-model-{verb}', what)
    yield '.SH SYNOPSIS'
    yield f'.B git model {escape(verb)}'
    yield from filter(None, [line(usage(parser))])
    yield '.SH DESCRIPTION'
    yield from paragraphs(module.__doc__)
    actions = [action for action in parser._actions if action.dest != 'help']
    if actions:
        yield from listing('OPTIONS', tuple(
            (flags(action), (action.help or '') % {'default': action.default})
            for action in actions
        ))
    yield '.SH EXAMPLES'
    for command, comment in EXAMPLES.get(verb, ()):
        yield '.TP'
        yield f'.B {line(command)}'
        yield from filter(None, [line(comment)])
    yield '.SH SEE ALSO'
    yield '.BR git\\-model (1)'


def overview_page() -> Iterator[str]:
    yield from head('git-model', 'version control for weights, tensor by tensor')
    yield '.SH SYNOPSIS'
    yield '.B git model'
    yield line('<command> [<argument>...]')
    yield '.SH DESCRIPTION'
    yield from paragraphs(OVERVIEW)
    yield '.SH COMMANDS'
    for verb, (_, what) in VERBS.items():
        yield '.TP'
        yield f'.BR git\\-model\\-{escape(verb)} (1)'
        yield line(what)
    yield from listing('RUN BY GIT', tuple(
        (f'git-model {verb}', what) for verb, (_, what) in PLUMBING.items()
    ))
    yield '.SH RULES FOR MERGES'
    yield from paragraphs(RULES)
    yield from example(RULES_EXAMPLE)
    yield from listing('KEYS', KEYS)
    yield from listing('METHODS', tuple(
        (name, str(method.__doc__).partition('\n')[0].partition(': ')[2])
        for name, method in METHODS.items()
    ))
    yield from listing('CONFIGURATION', CONFIGURATION)
    yield from listing('FILES', FILES)
    yield from listing('ENVIRONMENT', ENVIRONMENT)
    yield from listing('EXIT STATUS', EXIT_STATUS)
    yield '.SH SEE ALSO'
    yield '.BR git (1),'
    yield '.BR gitattributes (5)'


def pages() -> Iterator[tuple[str, str]]:
    """The name and the text of every page."""
    yield 'git-model.1', '\n'.join(overview_page()) + '\n'
    for verb in VERBS:
        yield f'git-model-{verb}.1', '\n'.join(verb_page(verb)) + '\n'


if __name__ == '__main__':
    for name, text in pages():
        (FOLDER / name).write_text(text, encoding='utf-8')
