"""The look of cards and of the board: blue and orange with words and symbols, in light and dark themes.

Colours of text reach a contrast of 4.5 to 1 on both themes' backgrounds. JupyterLab and nbconvert say their theme in
`data-jp-theme-light`, VS Code in a class of `body`; elsewhere the browser's preference counts.
"""

_LIGHT = ("--cc-good:#005A92;--cc-miss:#A84300;--cc-calm:#57606a;--cc-line:#d0d7de;--cc-paper:#fff;--cc-ink:#1f2328;"
          "--cc-code:#f0f2f5;")
_DARK = ("--cc-good:#7CC4F5;--cc-miss:#F5A742;--cc-calm:#a0a8b3;--cc-line:#484f58;--cc-paper:#161a20;--cc-ink:#e6e9ee;"
         "--cc-code:#2a3038;")

STYLE = f"""<style>
.course-card{{{_LIGHT}}}
@media (prefers-color-scheme:dark){{body:not([data-jp-theme-light]) .course-card{{{_DARK}}}}}
[data-jp-theme-light="false"] .course-card,.vscode-dark .course-card,.vscode-high-contrast .course-card{{{_DARK}}}
.vscode-light .course-card{{{_LIGHT}}}
.course-card.course-card{{border:1px solid var(--cc-line);border-left:5px solid var(--cc-edge);border-radius:4px;
padding:.5em .9em;margin:.3em 0;max-width:54em;background:var(--jp-layout-color1,var(--vscode-editor-background,
var(--cc-paper)));color:var(--jp-content-font-color1,var(--vscode-editor-foreground,var(--cc-ink)));line-height:1.5;
font-family:var(--jp-content-font-family,system-ui,sans-serif);font-size:var(--jp-content-font-size1,14px);
text-align:left;overflow-wrap:anywhere}}
.course-card.course-passed{{--cc-edge:var(--cc-good)}}
.course-card.course-failed{{--cc-edge:var(--cc-miss)}}
.course-card.course-calm{{--cc-edge:var(--cc-calm);border-left-style:dashed}}
.course-card .course-head{{margin:0;display:flex;flex-wrap:wrap;gap:.2em .6em;align-items:baseline}}
.course-card .course-mark,.course-card .course-word{{color:var(--cc-edge);font-weight:700}}
.course-card .course-mark{{font-size:1.15em}}
.course-card .course-title{{font-weight:600}}
.course-card .course-points{{margin-left:auto;color:var(--cc-calm)}}
.course-card p.course-line{{margin:.35em 0}}
.course-card p.course-case{{margin:.6em 0 .2em;font-weight:600}}
.course-card dl.course-facts{{display:grid;grid-template-columns:max-content minmax(0,1fr);gap:.2em .9em;margin:.2em 0}}
.course-card.course-card .course-facts dt{{grid-column:1;margin:0;color:var(--cc-calm);font-weight:400;
white-space:nowrap}}
.course-card.course-card .course-facts dd{{grid-column:2;margin:0}}
.course-card.course-card .course-facts :is(dt,dd){{display:block;float:none;width:auto;padding:0}}
.course-card.course-card.course-card code,.course-card.course-card.course-card pre{{background:var(--cc-code);
color:inherit;padding:.05em .35em;border-radius:3px;font-family:var(--jp-code-font-family,monospace);font-size:.92em;
white-space:pre-wrap;overflow-wrap:anywhere}}
.course-card.course-card.course-card pre{{padding:.5em .7em;margin:.3em 0;max-height:16em;overflow:auto}}
.course-card p.course-mistake{{margin:.5em 0;padding-left:.8em;border-left:3px solid var(--cc-edge)}}
.course-card ul.course-cases{{list-style:none;margin:.5em 0 .3em;padding:0}}
.course-card .course-cases li{{margin:.1em 0;padding-left:1.5em;text-indent:-1.5em}}
.course-card .course-cases .course-yes{{color:var(--cc-good);font-weight:700}}
.course-card .course-cases .course-no{{color:var(--cc-miss);font-weight:700}}
.course-card .course-cases span[aria-hidden]{{display:inline-block;width:1.5em;text-indent:0}}
.course-card details{{margin:.35em 0}}
.course-card summary{{cursor:pointer;color:var(--cc-calm)}}
.course-card.course-card details>:not(summary){{margin-left:1.1em}}
.course-card.course-card a{{color:var(--cc-good);text-decoration:underline}}
.course-card .course-hidden{{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);
white-space:nowrap}}
</style>"""
