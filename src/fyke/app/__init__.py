"""The composition root: the only package that names concrete classes and connects them.

One module per role, so that a role loads only the modules that it needs:

* ``folder``: the data folder; ``state``: its databases, migrations, the first account;
  ``lost_databases``: those that are missing; ``secret_check``: whether its secret is its own;
* ``runtime``: the components that server and runner share;
* ``server``, ``runner``, ``egress``, ``browser``: the roles of ``fyke serve --role``;
* ``outgoing``: sending callbacks and email; ``probe``, ``measuring``, ``components``,
  ``configuration``: facts about the installation for its operator;
* ``solving``: resolving the requirements of a project that is checked;
* ``prepare``: prepares the data folder for all roles, in a separate process that ends when done.
"""
