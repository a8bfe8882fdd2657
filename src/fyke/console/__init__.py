"""The web console: pages for users, rendered on the server, on the same services as the REST API.

``app.py`` is the application, ``page.py`` declares pages, ``view.py`` is the argument of their
handlers, and ``pages`` contains the pages by area. The guide is docs/internals/console.md.
"""
