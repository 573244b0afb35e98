"""Say which version is fit for production, and have a tag point to it.

Candidates are compared with the incumbent: what --against names, or else what the tag
points to, or else the first revision. The best of several equal ones looks better than
it is: so the test allows for their number, and the gain to expect is reported, on each
fold that of what was chosen on the others.

--tag makes an annotated tag, or moves it from a worse version to the better one; it is
signed where Git's configuration says so (tag.gpgSign), and pushed by "git push --force
<remote> tag <name>".

Exit code 0 if one is better than the incumbent, by more than --min-gain and not by
chance, else 1; it is 1, too, and nothing is tagged, if a candidate could not be
evaluated. 128 if nothing can be said (the incumbent could not be evaluated, or no
candidate), 129 for what makes no sense. "git bisect run git model best --against
<revision>" finds the commit that did harm: in a bisection, and with --not-worse, it is
1 only if HEAD is worse; commits that cannot be evaluated are skipped (125).
"""
from __future__ import annotations

import argparse
import json
import re
import sys
from typing import Any

from git_model_driver.cli import evaluating
from git_model_driver.cli import results
from git_model_driver.core import words
from git_model_driver.core.errors import GitModelError
from git_model_driver.core.errors import UsageError
from git_model_driver.evaluation import best
from git_model_driver.evaluation import versions
from git_model_driver.evaluation.best import Verdict
from git_model_driver.evaluation.runner import Report
from git_model_driver.evaluation.runner import evaluate
from git_model_driver.evaluation.versions import NoModel
from git_model_driver.evaluation.versions import Version
from git_model_driver.git import repository as repositories
from git_model_driver.git import run as git
from git_model_driver.git.operation import is_bisection
from git_model_driver.render import evaluation as render
from git_model_driver.render.amounts import plural
from git_model_driver.transfer.locate import store_of

_SKIP = 125     # to git bisect run: this commit cannot be tested
_GAIN = re.compile(r'([-+]?[0-9]*\.?[0-9]+)(%?)')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('revision', nargs='*', help='candidates (default: HEAD)')
    parser.add_argument('--against', metavar='<revision>', help='the incumbent')
    parser.add_argument('--tag', metavar='<name>',
                        help='the incumbent is what it points to; a better version '
                             'gets it')
    parser.add_argument('--min-gain', metavar='<gain>',
                        help="how much better, in the metric's units, or with %% of "
                             "the incumbent's mean; -1%%: no more than that worse "
                             '(default: 0)')
    parser.add_argument('--not-worse', action='store_true',
                        help='exit code 1 only if the best is worse than the incumbent')
    parser.add_argument('--json', action='store_true', help='print one document')
    evaluating.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    repository = repositories.find()
    evaluator = evaluating.evaluator_of(args, repository)
    _gain(args.min_gain, 1.0)
    if args.tag is not None:
        _check_tag(args.tag)
    try:
        incumbent, candidates = _sides(args, evaluator.path)
    except NoModel as e:
        if not is_bisection():
            raise
        print(e, file=sys.stderr)
        return _SKIP
    report = evaluate(
        evaluator, [incumbent, *candidates], repository, store_of(repository),
        evaluating.means_of(args),
    )
    results.keep(report)
    results.tell_failures(report)
    lost = any(each.failures for each in report.results[1:])
    if lost and not report.results[0].failures and is_bisection():
        return _SKIP
    verdict = _verdict(args, report)
    worse_only = args.not_worse or (args.min_gain is None and is_bisection())
    good = not verdict.is_worse if worse_only else verdict.is_better
    chosen = verdict.winner if verdict.is_better else verdict.incumbent
    if args.json:
        print(json.dumps(_document(report, verdict, good, chosen), indent=2))
    else:
        print(*_lines(report, verdict), sep='\n')
    if lost:
        return 1
    if args.tag:
        _tag(args.tag, chosen, verdict)
    return 0 if good else 1


def _sides(
    args: argparse.Namespace, path: str,
) -> tuple[Version, list[Version]]:
    """The incumbent, and candidates that are not the same model."""
    names = args.revision or ['HEAD']
    if args.against:
        against = args.against
    elif args.tag and _tagged(args.tag):
        against = f'refs/tags/{args.tag}'
    elif len(names) > 1:
        against, *names = names
    else:
        raise UsageError(
            'there is nothing to compare with',
            'name the incumbent with --against, or several revisions, the incumbent '
            'first',
        )
    incumbent = versions.find(against, path)
    if against.startswith('refs/tags/'):
        incumbent = incumbent._replace(name=args.tag)
    return incumbent, [versions.find(name, path) for name in names]


def _tagged(name: str) -> bool:
    found = git.attempt('rev-parse', '--verify', '--quiet', f'refs/tags/{name}')
    return found.code == 0


def _check_tag(name: str) -> None:
    """Before hours of work. Raises UsageError."""
    full = f'refs/tags/{name}'
    if name.startswith('-') or git.attempt('check-ref-format', full).code:
        raise UsageError(
            f"'{name}' cannot be the name of a tag", 'see "git help check-ref-format"',
        )


def _gain(text: str | None, mean: float) -> float:
    found = _GAIN.fullmatch((text or '0').strip())
    if found is None:
        raise UsageError(
            f"--min-gain is a number, not '{text}'",
            "write it as in --min-gain=0.005, or --min-gain=1% of the incumbent's mean",
        )
    value = float(found[1])
    return value / 100 * abs(mean) if found[2] else value


def _verdict(args: argparse.Namespace, report: Report) -> Verdict:
    incumbent, *candidates = report.results
    if incumbent.failures:
        raise GitModelError(
            f"the incumbent '{incumbent.version.name}' could not be evaluated",
            'nothing can be said about the others: mend the evaluator, or compare '
            'with another one: --against <revision>',
        )
    left = [each for each in candidates if not each.failures]
    if not left:
        raise GitModelError('no candidate could be evaluated', 'mend the evaluator')
    gain = _gain(args.min_gain, incumbent.summary.mean)
    return best.choose(
        incumbent, left, report.evaluator, report.less_is_better, gain,
    )


def _lines(report: Report, verdict: Verdict) -> list[str]:
    lines = results.lines(report, verdict.compared)
    test, low, high = verdict.test, *verdict.test.interval
    digits = render.digits_for([high - low])
    what = 'fold' if test.n == len(report.results[0].folds) else 'example'
    winner = words.printable(verdict.winner.name)
    incumbent = words.printable(verdict.incumbent.name)
    m = len(verdict.compared)
    lines += ['', (
        f"Gain of '{winner}': {render.number(test.mean, digits, True)}, "
        f'{100 * verdict.level:.4g} % interval '
        f'{render.interval(low, high, digits, True)}, p {render.p_value(test.p)}'
        f'{f" for {m} candidates" if m > 1 else ""} ({test.name}, '
        f'{plural(test.n, what)}).'
    )]
    if m > 1:
        reported = render.number(verdict.reported, digits, True)
        lines.append(
            f'Chosen on the other folds, reported on each: {reported}, which is what '
            'to expect.',
        )
    if verdict.is_better:
        more = f' by more than {verdict.min_gain:g}' if verdict.min_gain else ''
        if verdict.min_gain < 0:
            return [*lines, f"'{winner}' is not worse than '{incumbent}' by more than "
                            f'{-verdict.min_gain:g}.']
        return [*lines, f"'{winner}' is better than '{incumbent}'{more}."]
    if verdict.is_worse:
        return [*lines, f"'{winner}' is worse than '{incumbent}', which stays."]
    more = f' by more than {verdict.min_gain:g}' if verdict.min_gain else ''
    return [
        *lines, f"Nothing is shown to be better than '{incumbent}'{more}: it stays.",
    ]


def _document(
    report: Report, verdict: Verdict, good: bool, chosen: Version,
) -> dict[str, Any]:
    test = verdict.test
    found = results.document(report, verdict.compared)
    found['best'] = {
        'revision': chosen.name, 'commit': chosen.commit,
        'candidate': verdict.winner.name, 'incumbent': verdict.incumbent.name,
        'better': verdict.is_better, 'worse': verdict.is_worse, 'good': good,
        'min_gain': verdict.min_gain, 'test': test.name, 'n': test.n,
        'gain': test.mean, 'p': test.p, 'level': verdict.level,
        'chosen_on_other_folds': verdict.reported,
        'interval': [results.finite(end) for end in test.interval],
    }
    return found


def _tag(name: str, chosen: Version, verdict: Verdict) -> None:
    """Have the tag point to what was chosen; it stays where it points there already."""
    if _tagged(name) and not verdict.is_better:
        return
    low, high = verdict.test.interval
    why = f"no version was shown to be better than '{chosen.name}'"
    if verdict.is_better:
        why = (f"'{chosen.name}' against '{verdict.incumbent.name}': gain "
               f'{verdict.test.mean:+.4g}, interval {low:+.4g} to {high:+.4g} '
               f'({verdict.test.name})')
    git.output('tag', '-f', '-a', '-m', words.printable(why), name, chosen.commit)
    print(f"Tagged '{words.printable(chosen.name)}' as '{words.printable(name)}'.",
          file=sys.stderr)
