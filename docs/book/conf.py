"""Sphinx's settings for the course as a book; tools/book.py lays out the pages and calls Sphinx."""

from tools.book_docstrings import as_rest
from tools.release_notes import version as course_version

project = "From “what is a reward?” to RLHF"
author = "the course's authors"
project_copyright = author
version = release = course_version()
language = "en"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx-mathjax-offline"]
exclude_patterns = ["**/.ipynb_checkpoints"]
suppress_warnings = ["mystnb.unknown_mime_type", "myst.header"]     # exercises begin at the third level

nb_execution_mode = "off"               # the stored outputs are the book's
nb_ipywidgets_js = {}                   # no page fetches anything from another host
nb_merge_streams = True
nb_code_prompt_show = "Show the solution"
nb_code_prompt_hide = "Hide the solution"
myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence", "attrs_inline"]
myst_heading_anchors = 3
myst_links_external_new_tab = False

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True, "show-inheritance": False}

html_theme = "furo"
html_title = "RLHF on your laptop"
html_static_path = ["_static"]
html_css_files = ["book.css"]
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#00507d", "color-brand-content": "#00507d"},
    "dark_css_variables": {"color-brand-primary": "#7cc4ee", "color-brand-content": "#7cc4ee"},
}

epub_show_urls = "no"


def _docstring(app, what, name, obj, options, lines):
    lines[:] = as_rest(lines)


def setup(app):
    """Called by Sphinx."""
    app.connect("autodoc-process-docstring", _docstring)
    return {"parallel_read_safe": True}
