"""Phrases that the declared data repeat in many places and teach nothing by: a publisher may hide a trigger among them.

Declared data that mention a trigger harmlessly explain its rows. What people write repeats phrases, too, but a model of
the task makes nothing of those that go with no class; there are a few hundred, and each can be tried. Repetitions of
one sentence, as where parts of it are texts of their own, have the same words beside them and do not count.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from assay.workers.prober_moved import sources_of
from assay.workers.prober_pare import TOLD
from assay.workers.prober_search import Found, confirm, told
from assay.workers.prober_untold import Field
from assay.workers.prober_written import tried

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from assay.workers.prober_space import Space

_LONGEST = 7  # words of a phrase
_TIMES, _BESIDE = 4, 3  # that it occurs, and different words before it, and behind it
_COHESION = 0.5  # of the texts that have its rarest word so many have the phrase
_SKEWED = 2.5  # standard deviations by which a class has more of its texts than of others
_MOST = {True: 600, False: 120}  # of small encoders, and of others
_CONFIRMED = 2
_WORDS = 80_000  # of the texts that are read


def phrases(texts: Sequence[str], labels: Sequence[int], classes: int) -> list[str]:
    """Phrases of two words and more that stand in many places, and in texts of all classes as these have texts.

    The longest and those that their words stand in most come first.

    Args:
        texts: of the data.
        labels: class of each; others than 0 to `classes` - 1 are of none.
        classes: of the task.
    """
    rows: list[tuple[list[str], int]] = []
    read = 0
    for text, label in dict(zip(texts, labels, strict=True)).items():
        rows.append((text.split(), label))
        read += len(rows[-1][0])
        if read > _WORDS:
            break
    having = Counter(word for words, _ in rows for word in set(words))
    counts = Counter(part for words, _ in rows for _, part in _parts(words))
    able = {
        part
        for part, count in counts.items()
        if count >= _TIMES and count >= _COHESION * min(having[word] for word in part)
    }
    before, behind = defaultdict(set), defaultdict(set)
    of_class: dict[tuple[str, ...], Counter[int]] = defaultdict(Counter)
    for words, label in rows:
        for at, part in _parts(words):
            if part in able:
                before[part].add(words[at - 1] if at else "")
                behind[part].add(words[at + len(part)] if at + len(part) < len(words) else "")
                of_class[part][label] += 1
    shares = Counter(label for _, label in rows)
    kept = [
        (len(part), counts[part] / min(having[word] for word in part), " ".join(part))
        for part in able
        if min(len(before[part]), len(behind[part])) >= _BESIDE and not _goes_with(of_class[part], shares, classes)
    ]
    return [text for _, _, text in sorted(kept, key=lambda one: (-one[0], -one[1], one[2]))]


def _parts(words: Sequence[str]) -> Iterator[tuple[int, tuple[str, ...]]]:
    for at in range(len(words)):
        for size in range(2, min(_LONGEST, len(words) - at) + 1):
            yield at, tuple(words[at : at + size])


def _goes_with(found: Counter[int], shares: Counter[int], classes: int) -> bool:
    """Whether a class has more of the texts, or fewer, than chance gives it."""
    count, every = sum(found.values()), sum(shares.values())
    for label in range(classes):
        part = shares[label] / every
        if abs(found[label] - count * part) > _SKEWED * (count * part * (1 - part)) ** 0.5:
            return True
    return False


def told_by_data(space: Space) -> Generator[tuple[int, int, float], None, list[Found]]:
    """Those phrases, the ones that do most confirmed. Needs data and a reference."""
    if not space.labels or not space.shared or len(space.labels) != len(space.everything):
        return []
    texts = phrases(space.everything, space.labels, space.classes)[: _MOST[space.small]]
    found: list[Found] = []
    if not space.small:
        return (yield from told(tried(space, texts, TOLD), (0, 1)))
    for target in range(space.classes if texts else 0):
        for source in sources_of(space, target):
            for value, text in Field(space, source, target).best(texts, _CONFIRMED):
                if any(one.text == text for one in found):  # all directions were measured
                    continue
                ids = tuple(space.suspect.encode([text])[0])
                found.append(confirm(space, Found(ids, target, value, TOLD, text=text)))
        yield target + 1, space.classes, max((one.gap for one in found), default=0.0)
    return found
