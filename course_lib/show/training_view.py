"""A live view of a training run in a notebook cell: curves that grow, a stop button, one figure when it is over.

    watch(ppo.train(), past=ppo.history, total=ppo.config.total_steps, goal=475)

The run is any generator that yields one record an update (see course_lib.rl.ppo.Progress). The view asks for the next
record only between its own drawings: no threads. Stopping (the view's button, Jupyter's, Ctrl-C in a terminal) leaves
the generator after the update in progress, so that the same call goes on later. Used from lesson 01 on.
"""

import html
import math
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from course_lib.interrupts import PatientInterrupt
from course_lib.show.figures import figure_html
from course_lib.show.palette import COLOURS, GREY

REDRAW_SECONDS = 0.5            # at most two drawings a second ...
DRAWING_SHARE = 0.1             # ... and fewer where drawing is slow: at most a tenth of the time
SAY_SECONDS = 5.0               # in a terminal, a line of text this often

NAMES = {
    "episode_return": "return of an episode",
    "episode_length": "steps of an episode",
    "mean_reward": "reward of a step",
    "entropy": "entropy, nats",
    "kl": "change of the policy, nats",
    "clip_fraction": "share of ratios clipped",
    "value_loss": "error of the critic",
    "explained_variance": "explained variance",
    "loss": "loss, nats a token",
    "held_out_loss": "held-out loss, nats a token",
    "kl_from_reference": "KL from the reference, nats a text",
    "distinct_2": "distinct-2",
    "margin": "margin, nats",
}


@dataclass(frozen=True)
class Watched:
    """How a watched run ended."""

    finished: bool              # False: it was stopped and can go on
    records: list               # all records, past ones included

    def _ipython_display_(self) -> None:
        """Shows nothing where a cell ends with `watch(...)`: the view has shown the run already."""


def watch(training: Iterator, *, curves: Sequence[str] = ("episode_return", "entropy"), past: Sequence = (),
          total: float | None = None, goal: float | None = None, picture: Callable[[], str] | None = None,
          picture_every: int = 20, go_on: str = "Run this cell again to go on.", unit: str = "agent steps") -> Watched:
    """Run `training` to its end or until it is stopped, with its curves drawn as it goes.

    training: yields records with the fields `steps`, `cpu_seconds` and those named in `curves`; closed at the end.
    past: records of earlier parts of the same run. total: the steps it will take, for the progress bar. goal: a dashed
    line in the first panel. picture: returns HTML (for instance `video_html(...)`) that is shown under the curves, made
    anew every `picture_every` updates and at the end. go_on: what to tell a reader who stopped it. unit: what
    the records' `steps` count.
    What stays in the notebook is a line of text, one figure with alternative text and the last picture. Exceptions of
    the run pass through, after the curves up to there are drawn.
    """
    records, screen = list(past), _Screen(unit)
    begun, next_drawing, made, finished = time.monotonic(), 0.0, "", False
    screen.open()
    try:
        with PatientInterrupt() as interrupt:
            for record in training:
                records.append(record)
                if picture is not None and len(records) % picture_every == 0:
                    made = picture()
                now = time.monotonic()
                if now >= next_drawing:
                    screen.draw(records, curves, goal, made, _status("Training", records, total, unit, interrupt.asked),
                                _bar(records, total))
                    cost = time.monotonic() - now
                    next_drawing = time.monotonic() + max(REDRAW_SECONDS, cost / DRAWING_SHARE)
                if interrupt.asked:
                    break
            else:
                finished = True
        training.close()
        if picture is not None and records:
            made = picture()
        state = "Finished" if finished else "Stopped"
        last_words = _status(state, records, total, unit) + ("" if finished else f" Nothing is lost. {go_on}")
    except BaseException as error:
        last_words = _status(f"Broken off ({type(error).__name__})", records, total, unit)
        raise
    finally:
        screen.close(records, curves, goal, made, f"{last_words} ({time.monotonic() - begun:.0f} s by the clock.)")
    return Watched(finished, records)


def curves_figure(records: Sequence, curves: Sequence[str], goal: float | None = None,
                  unit: str = "agent steps") -> tuple[Figure, str]:
    """(figure, alternative text) of the named fields against steps, counted in `unit`, one panel for each."""
    figure = Figure(figsize=(3.6 * max(2, len(curves)), 2.5), dpi=90, layout="constrained")
    panels = figure.subplots(1, len(curves), squeeze=False)[0]
    findings = []
    for panel, field, colour in zip(panels, curves, COLOURS, strict=False):
        points = [(r.steps, getattr(r, field)) for r in records if math.isfinite(getattr(r, field))]
        name = NAMES.get(field, field.replace("_", " "))
        if points:
            steps, values = zip(*points, strict=True)
            panel.plot(steps, values, color=colour)
            first, last = (_short(value, max(map(abs, values))) for value in (values[0], values[-1]))
            finding = f"{name}: {first} to {last}"
        else:
            finding = f"{name}: nothing yet"
        if goal is not None and field == curves[0]:
            panel.axhline(goal, color=GREY, linestyle="--", label=f"goal {_short(goal, abs(goal))}")
            panel.legend(frameon=False, loc="best", fontsize=8)
        panel.set_title(finding, loc="left", fontsize=10)
        panel.set(xlabel=unit, ylabel=name)
        panel.grid(alpha=0.25)
        panel.spines[["top", "right"]].set_visible(False)
        panel.ticklabel_format(style="plain", axis="x")
        panel.locator_params(axis="x", nbins=4)
        panel.xaxis.set_major_formatter(lambda steps, _: f"{steps:,.0f}")
        findings.append(finding)
    return figure, f"Training curves against {unit}. {'; '.join(findings)}."


def _short(value: float, largest: float) -> str:
    """A number for a title; 0 for what rounding left of it, beside the largest of its curve."""
    if abs(value) < 1e-5 * largest:
        return "0"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _status(verb: str, records: Sequence, total: float | None, unit: str, stopping: bool = False) -> str:
    if not records:
        return f"{verb}: no update yet."
    last = records[-1]
    share = f" of {total:,.0f} ({min(100, 100 * last.steps / total):.0f}%)" if total else ""
    if verb == "Finished" and total and last.steps < 0.995 * total:       # one round of several
        verb, share = "This part is finished", f", {100 * last.steps / total:.0f}% of the whole run's {total:,.0f}"
    return (f"{verb}: {last.steps:,} {unit.removeprefix('agent ')}{share}, {last.cpu_seconds:.1f} CPU-seconds."
            + (" Stopping after this update …" if stopping else ""))


def _bar(records: Sequence, total: float | None) -> str:
    """A progress bar while the run lasts; nothing where nobody knows how long it will be."""
    if not total:
        return ""
    share = min(1.0, records[-1].steps / total)
    return f'<progress aria-label="training" max="1" value="{share:.3f}" style="width:min(100%, 420px)"></progress>'


class _Screen:
    """Where it is drawn: a notebook's cell, or lines of text where there is no notebook."""

    def __init__(self, unit: str):
        self.unit = unit

    def open(self) -> None:
        self.notebook = _in_notebook()
        self.next_words = 0.0
        if self.notebook:
            from IPython.display import display

            self.words = display({"text/html": _button(), "text/plain": ""}, raw=True, display_id=True)
            self.figure = display({"text/html": "", "text/plain": ""}, raw=True, display_id=True)

    def draw(self, records: Sequence, curves: Sequence[str], goal: float | None, picture: str, status: str,
             bar: str) -> None:
        if self.notebook:
            self._figure(records, curves, goal, picture, f'{bar}<p role="status">{html.escape(status)}</p>')
        elif time.monotonic() >= self.next_words:
            self.next_words = time.monotonic() + SAY_SECONDS
            print(f"{status} {curves_figure(records, curves, unit=self.unit)[1]}", flush=True)

    def close(self, records: Sequence, curves: Sequence[str], goal: float | None, picture: str, status: str) -> None:
        if self.notebook:
            self.words.update({"text/html": f"<p>{html.escape(status)}</p>", "text/plain": status}, raw=True)
            self._figure(records, curves, goal, picture, "")
        else:
            print(f"{status} {curves_figure(records, curves, unit=self.unit)[1]}", flush=True)

    def _figure(self, records: Sequence, curves: Sequence[str], goal: float | None, picture: str, after: str) -> None:
        figure, alt = curves_figure(records, curves, goal, self.unit)
        self.figure.update({"text/html": figure_html(figure, alt) + picture + after, "text/plain": alt}, raw=True)


def _in_notebook() -> bool:
    try:
        from IPython import get_ipython
    except ImportError:
        return False
    shell = get_ipython()
    return shell is not None and hasattr(shell, "kernel")


def _button() -> str:
    """A button that interrupts the kernel through Jupyter's own interface, as the ■ in its toolbar does.

    A widget's click would wait until the cell has ended on many kernels; this one does not go through the kernel. Where
    the page is not JupyterLab or Notebook the button stays hidden, and the front end's own stop button does the same.
    """
    from ipykernel.connect import get_connection_file

    found = re.search(r"kernel-([0-9a-f-]+)\.json$", get_connection_file())
    if not found:
        return ""
    kernel = found.group(1)
    return f"""<button type="button" id="stop-{kernel}" hidden>■ Stop after this update</button>
<script>(() => {{
  const page = document.getElementById("jupyter-config-data"), button = document.getElementById("stop-{kernel}");
  if (!page || !button) return;
  const config = JSON.parse(page.textContent), cookie = document.cookie.match(/(?:^|; )_xsrf=([^;]*)/);
  const headers = {{"X-XSRFToken": cookie ? cookie[1] : ""}};
  if (config.token) headers.Authorization = "token " + config.token;
  button.hidden = false;
  button.onclick = () => {{
    button.disabled = true;
    fetch(config.baseUrl + "api/kernels/{kernel}/interrupt", {{method: "POST", headers}})
      .then(answer => {{ if (!answer.ok) throw answer.status; button.textContent = "Stopping …"; }})
      .catch(() => {{ button.textContent = "Please press ■ in the notebook's toolbar"; }});
  }};
}})();</script>"""
