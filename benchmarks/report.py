"""What was measured, as Markdown: tables with ratios, and the targets."""
from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from statistics import median

import measure
import scenario
from measure import Sample
from tools import LFS
from tools import OURS
from tools import PLAIN

Samples = Mapping[tuple[str, str], Sequence[Sample]]    # by step and tool
Notes = Mapping[tuple[str, str], str]
Figure = Callable[[Sample], float]
MB = 1e6


def cpu(sample: Sample) -> float:
    return sample.cpu


def wall(sample: Sample) -> float:
    return sample.wall


def of_git(sample: Sample) -> float:
    return sample.peak.get(measure.GIT, 0)


def of_filter(sample: Sample) -> float:
    return sample.peak.get(measure.FILTER, 0)


def together(sample: Sample) -> float:
    return sum(sample.peak.values())


class Results:
    """All samples of a run; what is asked for is the median of the rounds."""

    def __init__(self, samples: Samples, notes: Notes, tools: Sequence[str]) -> None:
        self.samples = samples
        self.notes = notes
        self.tools = tools

    def get(self, step: str, tool: str, figure: Figure) -> float | None:
        found = self.samples.get((step, tool))
        return median(map(figure, found)) if found else None

    def ratio(self, step: str, figure: Figure, other: str = LFS) -> float | None:
        """Ours to the other's; None where the other did not do the same thing."""
        ours, theirs = (self.get(step, tool, figure) for tool in (OURS, other))
        if (step, other) in self.notes or ours is None or not theirs:
            return None
        return ours / theirs

    def table(self, figure: Figure) -> str:
        """A row per step: the figure for each tool, and the ratio."""
        head = ['step', *self.tools, *([f'ratio to {LFS}'] * (LFS in self.tools))]
        return markdown([head, *(self._row(s.name, figure) for s in scenario.STEPS)])

    def _row(self, step: str, figure: Figure) -> list[str]:
        cells = [step]
        for tool in self.tools:
            value, note = self.get(step, tool, figure), self.notes.get((step, tool))
            text = '–' if value is None else f'{value:.2f}'
            cells.append(f'{text} ({note})' if note else text)
        return [*cells, *([_ratio(self.ratio(step, figure))] * (LFS in self.tools))]

    def memory(self) -> str:
        """A row per step: git, and the largest other program, for each tool."""
        head = ['step']
        for tool in self.tools:
            head += [f'git with {tool}', tool] if tool != PLAIN else [PLAIN]
        return markdown([head, *(self._peaks(s.name) for s in scenario.STEPS)])

    def _peaks(self, step: str) -> list[str]:
        cells = [step]
        for tool in self.tools:
            for figure in (of_git, of_filter)[:1 if tool == PLAIN else 2]:
                value = self.get(step, tool, figure)
                cells.append(f'{value / MB:.0f}' if value else '–')
        return cells


def sizes(facts: Mapping[str, Mapping[str, object]], results: Results) -> str:
    ratio = [f'ratio to {LFS}'] * (LFS in results.tools)
    rows = [['bytes in .git', *results.tools, *ratio]]
    for key, name in (('v0 bytes', 'the model'), ('v1 bytes', '5 % changed, more')):
        values = [float(str(facts[tool][key])) for tool in results.tools]
        by_tool = dict(zip(results.tools, values))
        cells = [name, *(f'{value / MB:.1f} MB' for value in values)]
        if LFS in by_tool:
            cells.append(_ratio(by_tool[OURS] / by_tool[LFS]))
        rows.append(cells)
    return markdown(rows)


def legend(results: Results) -> str:
    lines = [
        'CPU is that of git and of every process it starts. git itself holds a '
        'smudged file in memory as a whole, whatever a filter does. After a checkout '
        'the model and the index bear the same second: git reads the model again at '
        'the next checkout or status.',
    ]
    if LFS not in results.tools:
        lines.append(f'{LFS} is not on PATH: it was left out, and so are the ratios.')
    if PLAIN in results.tools:
        lines.append(f'"{PLAIN}" is git with no filter at all, one round.')
    lines.append(
        'What is marked did not do the work (a conflict leaves nothing merged, '
        'pointers say nothing of the weights), and is no basis for a ratio.',
    )
    return '\n'.join(lines)


def _ratio(value: float | None) -> str:
    return '–' if value is None else f'{value:.2f}'


def markdown(rows: Sequence[Sequence[str]]) -> str:
    head, *body = rows
    lines = [head, ['---'] + ['---:'] * (len(head) - 1), *body]
    return '\n'.join(f'| {" | ".join(line)} |' for line in lines)
