"""The web console: pages for people, rendered here, on the same services as the REST API.

``app.py`` puts it together, ``page.py`` says what a page is and ``view.py`` what its handler gets;
``pages`` contains the pages by area. The guide is docs/internals/console.md.
"""
