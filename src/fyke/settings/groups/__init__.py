"""The groups of settings, with their descriptions.

``script/docs`` generates ``docs/reference/settings.md`` from these modules: a class is a section,
its docstring the heading and introduction, the docstring of a setting its description. Paths of
pages below ``docs/`` become links. The first of a setting's ``examples`` is a valid value for the
environment that differs from the default.
"""
