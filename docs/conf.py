"""Sphinx configuration. `make docs` builds the site with warnings as errors."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

import array_names

import monolayer

array_names.shorten()

project = "monolayer"
author = "the monolayer developers"
version = release = monolayer.__version__

extensions = [
    "myst_parser",  # pages in Markdown, which code hosts render too
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",  # docstrings in Google style
    "commands",
    "docstrings",
    "finding_pages",
    "mathml",
]
exclude_patterns = ["_build", "_ext"]
nitpicky = True
# The build does not use the network, so names of other packages are not linked.
OTHERS = (
    "np|npt|numpy|collections|pathlib|contextlib|typing|matplotlib|distributed|PIL"
    "|warnings"
)
NAMES = (
    "Path|Any|Callable|Sequence|Iterable|Iterator|Mapping|FigureBase|Client|Array"
    "|Axes|Canvas|Followed|DECODING_ERRORS|ModelProto"
)
nitpick_ignore_regex = [(r"py:.*", rf"({OTHERS})\..*"), (r"py:.*", NAMES)]

myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence", "deflist"]
myst_heading_anchors = 3
smartquotes = False  # they would convert the hyphens of an option to a dash

autodoc_member_order = "bysource"
autodoc_typehints = (
    "description"  # in the argument descriptions, not in the signature
)
autodoc_typehints_format = "short"
autodoc_class_signature = "mixed"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
napoleon_use_rtype = False
napoleon_preprocess_types = False
add_module_names = False

html_theme = "furo"
html_title = "monolayer"
html_math_renderer = "mathml"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_copyright = False
html_show_sourcelink = False
# System fonts in which l and 1 differ: the recipe has a field l2.
MONOSPACE = "'SFMono-Regular', Menlo, Consolas, 'DejaVu Sans Mono', monospace"
html_theme_options = {
    "light_css_variables": {
        "color-brand-primary": "#8a3b12",
        "color-brand-content": "#a4440f",
        "font-stack--monospace": MONOSPACE,
    },
    "dark_css_variables": {
        "color-brand-primary": "#ffb38a",
        "color-brand-content": "#ffa06b",
    },
}
pygments_style = "friendly"
pygments_dark_style = "monokai"
