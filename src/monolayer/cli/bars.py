"""Progress bars; imported when the first one is shown, since rich takes a while to import."""

from collections.abc import Iterable

from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text


def make_bars(console: Console) -> Progress:
    """Bars on this console, one a task; not started yet."""
    return Bars(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        Amount(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
    )


class Amount(ProgressColumn):
    """How much is done, in bytes where the unit is B, else as a count."""

    def __init__(self) -> None:
        self._bytes, self._count = DownloadColumn(), MofNCompleteColumn()
        super().__init__()

    def render(self, task: Task) -> Text:
        """The amount as a cell."""
        unit = task.fields["unit"]
        return self._bytes.render(task) if unit == "B" else self._count.render(task) + Text(f" {unit}")


class Bars(Progress):
    """Bars, with a line of details below each, cut at the width of the window."""

    def get_renderables(self) -> Iterable[RenderableType]:
        """The bars and the lines."""
        yield self.make_tasks_table(self.tasks)
        for task in self.tasks:
            if detail := task.fields.get("detail"):
                yield Text(f"  {detail}", overflow="ellipsis", no_wrap=True)
