"""The course's docstrings as reStructuredText, for the API pages of the book.

In the source a docstring is plain text that reads well there: a paragraph for each thought, `name: what it is` for
arguments with what does not fit on the line indented below, `- ` for lists, examples indented by four spaces.
"""

import re

ITEM = re.compile(r"(- |\d+\. |:[^:]+: |\"\w+\": |[a-z_]\w*(?:, (?:\*+)?[a-z_]\w*)*: )")
INDENT = "    "


def as_rest(lines: list[str]) -> list[str]:
    """The lines of one docstring, rewritten."""
    out: list[str] = []
    for block in re.split(r"\n\s*\n", "\n".join(lines).strip("\n")):
        rows = block.split("\n")
        out += example(rows) if rows[0].startswith(INDENT) else text(rows)
        out.append("")
    return out


def example(rows: list[str]) -> list[str]:
    """Indented code, line by line."""
    return ["::", "", *rows]


def text(rows: list[str]) -> list[str]:
    """Paragraphs and items; what is indented belongs to the line above."""
    parts: list[str] = []
    for row in rows:
        if not parts or (ITEM.match(row) and not row.startswith(" ")):
            parts.append(row)
        else:
            parts[-1] = f"{parts[-1]} {row.strip()}"
    out: list[str] = []
    for part in parts:
        found = ITEM.match(part)
        if found and found[1][0] not in ":-\"" and not found[1][0].isdigit():
            part = f":{found[1][:-2].replace('*', chr(92) + '*')}: {marked(part[found.end():])}"
        elif found:
            part = found[1] + marked(part[found.end():])
        else:
            part = marked(part)
        out += [part] if found and out and ITEM.match(out[-1]) else ["", part] if out else [part]
    return out


def marked(words: str) -> str:
    """Code gets two backticks; stars, bars and underscores at the end of a word are no markup."""
    parts = re.split(r"(`+[^`]+`+)", words)
    return "".join(f"``{part.strip('`')}``" if part.startswith("`") and part.endswith("`") and len(part) > 1
                   else re.sub(r"[*|`]|_(?=\W|$)", lambda found: "\\" + found[0], part) for part in parts)
