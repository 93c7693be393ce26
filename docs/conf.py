"""How Sphinx builds these pages; ``tox -e docs`` does it, and any warning is an error."""

import os

from phoenix_sessions import __version__

# Django wants settings before autodoc can import what stands on it; the names documented here need none in particular.
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "django.conf.global_settings")

project = "phoenix_sessions"
author = "The phoenix_sessions authors"
copyright = author
release = version = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]

# Markdown: links to headings, definition lists, and fences with colons.
myst_enable_extensions = ["colon_fence", "deflist", "fieldlist"]
myst_heading_anchors = 3

# Docstrings are in Google's style, types come from the annotations.
napoleon_numpy_docstring = False
autodoc_typehints_format = "short"
autodoc_member_order = "bysource"

html_theme = "furo"
html_title = f"{project} {release}"

GIVEN = {"SessionManager", "SessionRef", "Subscription", "SessionProcess"}
GIVEN |= {"SessionInfo", "SessionStats", "SessionFacts", "Change"}
"""Classes whose objects users get, and do not build: their pages show no constructor."""


def setup(app):
    def leave_out(app, what, name, obj, options, signature, returns):
        return ("", None) if what == "class" and name.rpartition(".")[2] in GIVEN else None

    app.connect("autodoc-process-signature", leave_out)
