"""The composition root: the only place that names concrete classes and wires them.

One module per role, so that a role loads only what it is made of:

* ``folder``: the data folder; ``state``: the state in it, migrations, the first account;
* ``runtime``: the components that server and runner share;
* ``server``, ``runner``, ``egress``: the three roles of ``fyke serve --role``;
* ``outgoing``: sending callbacks and mails; ``probe``, ``measuring``, ``components``,
  ``configuration``: the facts about the installation that the operator sees;
* ``prepare``: prepares the data folder for all roles, in a short process of its own.
"""
