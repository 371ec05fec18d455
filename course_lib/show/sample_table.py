"""Texts that a model wrote, side by side: a table that is pleasant to read. Used from lesson 07 on."""

import html
from collections.abc import Mapping, Sequence

STYLE = ("<style>.samples td,.samples th{text-align:left !important;vertical-align:top;white-space:pre-wrap;"
         "padding:.35em 1em .35em 0;max-width:34em;line-height:1.35}.samples th{font-weight:600}"
         ".samples .prompt{opacity:.55}</style>")


def sample_table(columns: Mapping[str, Sequence[str]], prompt: str = "") -> str:
    """An HTML table, one column of texts for each name. A text's first words, where they are `prompt`, are shown pale.

    Texts are shown as text: nothing in them is read as HTML.
    """
    names = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in columns)
    rows = "".join("<tr>" + "".join(f"<td>{_cell(text, prompt)}</td>" for text in row) + "</tr>"
                   for row in zip(*columns.values(), strict=True))
    return f'{STYLE}<table class="samples"><thead><tr>{names}</tr></thead><tbody>{rows}</tbody></table>'


def show_samples(columns: Mapping[str, Sequence[str]], prompt: str = "") -> None:
    """Display `sample_table`; where no HTML is shown, the texts stand under their names."""
    from IPython.display import display

    plain = "\n\n".join(f"{name}\n" + "\n".join(f"  | {text}" for text in texts) for name, texts in columns.items())
    display({"text/html": sample_table(columns, prompt), "text/plain": plain}, raw=True)


def _cell(text: str, prompt: str) -> str:
    if prompt and text.startswith(prompt):
        return f'<span class="prompt">{html.escape(prompt)}</span>{html.escape(text[len(prompt):])}'
    return html.escape(text)
