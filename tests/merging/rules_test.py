"""Which method and parameters apply to which tensor."""
from __future__ import annotations

import fnmatch
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_model_driver.core.errors import RuleError
from git_model_driver.git.operation import APPLY
from git_model_driver.git.operation import MERGE
from git_model_driver.merging import rulefiles as rules
from git_model_driver.merging.keys import Rule
from git_model_driver.merging.rules import Rules
from tests.testing.properties import PROPERTY
from tests.testing.repository import Repo

NAME = 'model.layers.3.mlp.up_proj.weight'


def rule(glob: str, key: str, value: str) -> Rule:
    return Rule(glob, key, value, f'{glob}:{key}')


def refused(*given_rules: Rule, operation: str = MERGE) -> RuleError:
    with pytest.raises(RuleError) as e:
        Rules(given_rules, operation).choose(NAME)
    return e.value


@pytest.mark.parametrize(('operation', 'method'), [(MERGE, 'linear'), (APPLY, 'apply')])
def test_without_rules_there_is_a_default(operation: str, method: str) -> None:
    choice = Rules([], operation).choose(NAME)
    assert choice[:4] == (method, {}, False, '')


def test_the_last_match_wins_for_each_key_by_itself() -> None:
    found = Rules([
        rule('*', 'merge', 'ours'), rule('*', 'weight', '0.25'),
        rule('*.mlp.*', 'merge', 'linear'), rule('*.attn.*', 'merge', 'theirs'),
        rule('*.attn.*', 'weight', '1'),
    ], MERGE)
    assert found.choose(NAME)[:4] == (
        'linear', {'weight': Fraction(1, 4)}, True, '*.mlp.*:merge',
    )
    assert found.choose('a.attn.b').method == 'theirs'
    assert found.choose('lm_head').method == 'ours'


@PROPERTY
@given(st.lists(st.tuples(
    st.sampled_from(['*', '*.mlp.*', 'model.*', '*.weight', 'x*', NAME, '[a-m]*', '?']),
    st.sampled_from(['merge', 'apply', 'weight']), st.integers(0, 3),
)), st.sampled_from([MERGE, APPLY]))
def test_what_is_chosen_stands_in_the_last_rule_that_matches(
    drawn: list[tuple[str, str, int]], operation: str,
) -> None:
    methods = ('linear', 'ours', 'theirs', 'conflict')
    made = [
        Rule(glob, key, str(Fraction(n, 3)) if key == 'weight' else methods[n], str(i))
        for i, (glob, key, n) in enumerate(drawn)
    ]
    choice = Rules(made, operation).choose(NAME)
    key = 'merge' if operation == MERGE else 'apply'
    matching = [r for r in made if fnmatch.fnmatchcase(NAME, r.glob)]
    named = [r for r in matching if r.key == key]
    weights = [r for r in matching if r.key == 'weight']
    default = 'linear' if operation == MERGE else 'apply'
    assert choice.method == (named[-1].value if named else default)
    assert choice.origin == (named[-1].origin if named else '')
    assert choice.explicit == bool(named)
    assert choice.specific == bool(named)
    assert choice.parameters == (
        {'weight': Fraction(weights[-1].value)} if weights else {}
    )


@pytest.mark.parametrize(('text', 'number'), [
    ('0.5', Fraction(1, 2)), ('1', Fraction(1)), ('0', Fraction(0)),
    ('1/3', Fraction(1, 3)), ('1e-3', Fraction(1, 1000)), ('0.10', Fraction(1, 10)),
])
def test_numbers_are_exact(text: str, number: Fraction) -> None:
    choice = Rules([rule('*', 'weight', text)], MERGE).choose(NAME)
    assert choice.parameters == {'weight': number}


@pytest.mark.parametrize('text', [
    '', 'true', 'half', '0,5', '.5', '5.', '1e9999', '1/0', '0/0', '-1/2/3', 'nan',
    'inf', '0x1', '1_0', '٣', ' 1', '1 ', '50%', '1/00',
])
def test_what_is_no_number_is_told(text: str) -> None:
    error = refused(rule('*', 'ours-weight', text))
    assert str(error) == (
        f"error: *:ours-weight: 'ours-weight' is no number: '{text}'\n"
        'hint: write it as in "ours-weight = 0.5"'
    )


@pytest.mark.parametrize('text', ['-0.1', '1.1', '3/2', '2e5'])
def test_a_share_is_between_nothing_and_all(text: str) -> None:
    error = refused(rule('a*', 'weight', text))
    assert str(error) == (
        f"error: a*:weight: 'weight' is theirs' share, 0 to 1, not {text}\n"
        "hint: for other weights set 'ours-weight' and 'theirs-weight'"
    )


@pytest.mark.parametrize(('value', 'hint'), [
    ('linaer', "did you mean 'linear'?"), ('their', "did you mean 'theirs'?"),
    ('quux', "known are 'linear', "), ('', "known are 'linear', "),
    ('Linear', "did you mean 'linear'?"),
])
@pytest.mark.parametrize('key', ['merge', 'apply'])
def test_an_unknown_method_is_told_with_a_near_one(
    key: str, value: str, hint: str,
) -> None:
    error = refused(rule('x.*', key, value))
    assert error.message == f"x.*:{key}: unknown method '{value}' for 'x.*'"
    assert error.hints[0].startswith(hint)


@pytest.mark.parametrize(('key', 'hint'), [
    ('wieght', "did you mean 'weight'?"), ('mrege', "did you mean 'merge'?"),
    ('zzz', "known are 'merge', "), ('our-weight', "did you mean 'ours-weight'?"),
])
def test_an_unknown_key_is_told_with_a_near_one(key: str, hint: str) -> None:
    error = refused(rule('*', key, '1'))
    assert error.message == f"*:{key}: unknown key '{key}' for '*'"
    assert error.hints[0].startswith(hint)


def test_weights_that_cancel_out_are_told_with_every_rule_to_blame() -> None:
    error = refused(rule('*', 'ours-weight', '-2'), rule('m*', 'theirs-weight', '2'))
    assert error.message == (
        "*:ours-weight, m*:theirs-weight: method 'linear': "
        'the weights of ours and theirs sum to 0'
    )


def test_a_bad_rule_is_an_error_whatever_it_matches() -> None:
    with pytest.raises(RuleError):
        Rules([rule('matches.nothing', 'merge', 'linaer')], MERGE)


@pytest.fixture
def inside(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> Repo:
    monkeypatch.chdir(repo.path)
    return repo


def configure(monkeypatch: pytest.MonkeyPatch, *pairs: tuple[str, str]) -> None:
    """As ``git -c key=value`` does it."""
    monkeypatch.setenv('GIT_CONFIG_COUNT', str(len(pairs)))
    for i, (key, value) in enumerate(pairs):
        monkeypatch.setenv(f'GIT_CONFIG_KEY_{i}', key)
        monkeypatch.setenv(f'GIT_CONFIG_VALUE_{i}', value)


FILE = '''\
# rules of this repository
[model]
\tmerge = linear
\tweight = 0.5\t# of theirs
[model "*.mlp.*"]
\tmerge = ours
\tapply = theirs
[other]
\tmerge = nothing
'''


def test_rules_come_from_the_file_then_the_settings_then_the_command(
    inside: Repo, monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert rules.load(MERGE).choose(NAME).explicit is False
    inside.write('.gitmodel', FILE)
    assert rules.load(MERGE).choose(NAME).explicit is False    # HEAD has none yet
    inside.commit('rules', '.gitmodel')
    assert rules.load(MERGE).choose(NAME)[:5] == (
        'ours', {'weight': Fraction(1, 2)}, True, '.gitmodel:6', True,
    )
    assert rules.load(APPLY).choose(NAME)[:2] == (
        'theirs', {'weight': Fraction(1, 2)},
    )
    assert rules.load(MERGE).choose('w')[:2] == ('linear', {'weight': Fraction(1, 2)})
    inside.git('config', 'model.*.mlp.*.merge', 'theirs')
    choice = rules.load(MERGE).choose(NAME)
    assert (choice.method, choice.origin) == ('theirs', 'file:.git/config')
    inside.git('config', 'model.weight', '0.25')
    configure(monkeypatch, ('model.merge', 'linear'), ('model.*up_proj*.weight', '1/3'))
    choice = rules.load(MERGE).choose(NAME)
    assert choice[:2] == ('linear', {'weight': Fraction(1, 3)})
    assert rules.load(MERGE).choose('w').parameters == {'weight': Fraction(1, 4)}


def test_the_file_in_the_worktree_does_not_count(inside: Repo) -> None:
    inside.write('.gitmodel', FILE)
    inside.commit('rules', '.gitmodel')
    inside.write('.gitmodel', '[model]\n\tmerge = nonsense\n')
    inside.git('add', '.gitmodel')
    assert rules.load(MERGE).choose('w').method == 'linear'


@pytest.mark.parametrize(('text', 'what'), [
    ('[model]\n\tmerge = linaer\n', ".gitmodel:2: unknown method 'linaer' for '*'"),
    ('[model]\n\tmerge = linear\n\n[model "a b"]\n\n\tweigth = 1\n',
     ".gitmodel:6: unknown key 'weigth' for 'a b'"),
    ('[model "a\\"b"]\n  WEIGHT = x\n', ".gitmodel:2: 'weight' is no number: 'x'"),
    ('[model]\n\tweight\n', ".gitmodel:2: 'weight' is no number: 'true'"),
    ('[model] weight = 2\n', ".gitmodel:1: 'weight' is theirs' share, 0 to 1, not 2"),
    ('[model]\n\tweight = 0.5\n\tweight = x ; no\n',
     ".gitmodel:3: 'weight' is no number: 'x'"),
    ('[Model "X.Y"]\n\tmerge = "linaer"\n',
     ".gitmodel:2: unknown method 'linaer' for 'X.Y'"),
])
def test_a_bad_rule_is_told_with_its_line(
    inside: Repo, text: str, what: str,
) -> None:
    inside.write('.gitmodel', text)
    inside.commit('rules', '.gitmodel')
    with pytest.raises(RuleError) as e:
        rules.load(MERGE)
    assert e.value.message == what


@pytest.mark.parametrize('text', ['[model\n', '[model]\n\tmerge = "a\n'])
def test_a_file_that_git_cannot_read_is_told_with_gits_words(
    inside: Repo, text: str,
) -> None:
    inside.write('.gitmodel', text)
    inside.commit('rules', '.gitmodel')
    with pytest.raises(RuleError) as e:
        rules.load(MERGE)
    assert e.value.message.startswith('.gitmodel cannot be read: bad config line ')
    assert e.value.hints == ('see the line with "git show HEAD:.gitmodel"',)


def test_a_bad_setting_is_told_with_its_file(
    inside: Repo, monkeypatch: pytest.MonkeyPatch,
) -> None:
    inside.git('config', 'model.merge', 'linaer')
    with pytest.raises(RuleError, match=r"^error: file:\.git/config: unknown method"):
        rules.load(MERGE)
    inside.git('config', '--unset', 'model.merge')
    configure(monkeypatch, ('model.wieght', '1'))
    with pytest.raises(RuleError, match=r'^error: command line:+ unknown key'):
        rules.load(MERGE)


def test_other_settings_of_the_driver_are_no_rules(inside: Repo) -> None:
    inside.git('config', 'modelx.merge', 'nonsense')
    inside.git('config', 'filter.model.other', 'nonsense')
    assert rules.load(MERGE).choose('w').method == 'linear'
