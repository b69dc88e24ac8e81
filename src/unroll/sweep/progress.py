"""The lines that a sweep prints while its trials run."""

from pathlib import Path

from unroll.runs.folder import RunFolder
from unroll.sweep.search.space import Space
from unroll.sweep.trials import Record, TrialState


class Progress:
    """Prints a line for each trial that ends."""

    def __init__(self, space: Space, folder: Path, size: int) -> None:
        self._space = space
        self._folder = folder
        self._size = size
        self._done = 0
        self._said: set[str] = set()

    def greet(self, done: int) -> None:
        """Say what begins, and how many trials are done already."""
        self._done = done
        self.say(f"sweep  {self._folder}: {self._size} trials" + (f", {done} of them done" if done else ""))

    def say(self, line: str) -> None:
        """Print a line."""
        print(line, flush=True)

    def say_once(self, line: str) -> None:
        """Print a line, unless it has been printed before."""
        if line not in self._said:
            self.say(line)
        self._said.add(line)

    def tell(self, record: Record) -> None:
        """Say how a trial ended."""
        self._done += 1
        place = f"{self._done}/{self._size}".rjust(2 * len(str(self._size)) + 1)
        words = [f"{record.number:04d}", record.state.value.ljust(9), self._space.label(record.varied)]
        if record.state is TrialState.finished:
            words += [f"{name} {value:.4g}" for name, value in record.values.items()]
        elif record.state.is_failure:
            words.append(f"{record.reason} ({RunFolder(self._folder / f'{record.number:04d}').output})")
        if record.seconds is not None:
            words.append(f"{record.seconds:.0f} s")
        self.say("  ".join([place, *words]))
