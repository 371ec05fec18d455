"""Tables of texts that are pleasant to read: samples of a model (from lesson 08), completions with scores (from 09)."""

import html
from collections.abc import Mapping, Sequence

from course_lib.show.palette import BLUE, GREY, VERMILION

SAMPLES_STYLE = ("<style>.samples td,.samples th{text-align:left !important;vertical-align:top;white-space:pre-wrap;"
         "padding:.35em 1em .35em 0;max-width:34em;line-height:1.35}.samples th{font-weight:600}"
         ".samples .prompt{opacity:.55}</style>")


def sample_table(columns: Mapping[str, Sequence[str]], prompt: str = "") -> str:
    """An HTML table, one column of texts for each name. A text's first words, where they are `prompt`, are shown pale.

    Texts are shown as text: nothing in them is read as HTML.
    """
    names = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in columns)
    rows = "".join("<tr>" + "".join(f"<td>{_cell(text, prompt)}</td>" for text in row) + "</tr>"
                   for row in zip(*columns.values(), strict=True))
    return f'{SAMPLES_STYLE}<table class="samples"><thead><tr>{names}</tr></thead><tbody>{rows}</tbody></table>'


def show_samples(columns: Mapping[str, Sequence[str]], prompt: str = "") -> None:
    """Display `sample_table`; where no HTML is shown, the texts stand under their names."""
    from IPython.display import display

    plain = "\n\n".join(f"{name}\n" + "\n".join(f"  | {text}" for text in texts) for name, texts in columns.items())
    display({"text/html": sample_table(columns, prompt), "text/plain": plain}, raw=True)


def _cell(text: str, prompt: str) -> str:
    if prompt and text.startswith(prompt):
        return f'<span class="prompt">{html.escape(prompt)}</span>{html.escape(text[len(prompt):])}'
    return html.escape(text)


STYLE = ("<style>.completions{border-collapse:collapse}.completions td,.completions th{text-align:left !important;"
         "vertical-align:top;white-space:pre-wrap;padding:.35em 1.1em .35em 0;max-width:30em;line-height:1.35}"
         ".completions th{font-weight:600}.completions .prompt{opacity:.55}.completions .score{font-size:.82em;"
         "font-variant-numeric:tabular-nums;font-weight:600;white-space:nowrap;margin-right:.6em}</style>")


def text_table(prompts: Sequence[str], columns: Mapping[str, Sequence[str]],
               scores: Mapping[str, Sequence[float]] | None = None, score_name: str = "score") -> str:
    """An HTML table: a row a prompt, a column of completions for each name, in front of each text its score.

    columns: name -> whole texts (prompt and completion, the prompt shown pale) or completions alone; then the prompts
    stand in a column of their own, in front. scores: name -> numbers, for all or some of the columns. Texts are
    shown as text: nothing in them is read as HTML.
    Raises ValueError when the columns are not of one length.
    """
    _check(prompts, columns, scores)
    names = "".join(f'<th scope="col">{html.escape(name)}{_caption(name, scores, score_name)}</th>' for name in columns)
    apart = any(not any(texts[place].startswith(prompt) for texts in columns.values())
                for place, prompt in enumerate(prompts))
    if apart:
        names = f'<th scope="col">prompt</th>{names}'
    rows = []
    for place, prompt in enumerate(prompts):
        cells = [f"<td>{_chip(name, place, scores)}{_text(texts[place], prompt)}</td>"
                 for name, texts in columns.items()]
        if apart:
            cells.insert(0, f"<td>{html.escape(prompt)}</td>")
        rows.append(f"<tr>{''.join(cells)}</tr>")
    return f'{STYLE}<table class="completions"><thead><tr>{names}</tr></thead><tbody>{"".join(rows)}</tbody></table>'


def plain_table(prompts: Sequence[str], columns: Mapping[str, Sequence[str]],
                scores: Mapping[str, Sequence[float]] | None = None) -> str:
    """The same in plain text: under each prompt, one line for each column."""
    _check(prompts, columns, scores)
    width = max((len(name) for name in columns), default=0)
    blocks = []
    for place, prompt in enumerate(prompts):
        lines = [f"{prompt} …"]
        for name, texts in columns.items():
            score = f"{scores[name][place]:+.2f} " if scores and name in scores else ""
            lines.append(f"  {name:{width}s} | {score}{texts[place]}")
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def show_texts(prompts: Sequence[str], columns: Mapping[str, Sequence[str]],
               scores: Mapping[str, Sequence[float]] | None = None, score_name: str = "score") -> None:
    """Display `text_table`; where no HTML is shown, `plain_table`."""
    from IPython.display import display

    display({"text/html": text_table(prompts, columns, scores, score_name),
             "text/plain": plain_table(prompts, columns, scores)}, raw=True)


def _check(prompts: Sequence[str], columns: Mapping[str, Sequence], scores: Mapping[str, Sequence] | None) -> None:
    for name, values in [*columns.items(), *(scores or {}).items()]:
        if len(values) != len(prompts):
            raise ValueError(f"{len(prompts)} prompts, but {len(values)} entries under {name!r}")


def _caption(name: str, scores: Mapping[str, Sequence[float]] | None, score_name: str) -> str:
    if not scores or name not in scores:
        return ""
    return f'<br><small style="font-weight:400">in front: {html.escape(score_name)}</small>'


def _chip(name: str, place: int, scores: Mapping[str, Sequence[float]] | None) -> str:
    if not scores or name not in scores:
        return ""
    value = float(scores[name][place])
    colour = GREY if abs(value) < 0.05 else BLUE if value > 0 else VERMILION
    return f'<span class="score" style="color:{colour}">{value:+.2f}</span>'


def _text(text: str, prompt: str) -> str:
    if prompt and text.startswith(prompt):
        return f'<span class="prompt">{html.escape(prompt)}</span>{html.escape(text[len(prompt):])}'
    return html.escape(text)
