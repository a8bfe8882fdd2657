"""The shapes of our own operations, ``/api/fyke``. Times end in ``_at``: Unix seconds."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fyke.wire.fyke import accounts as accounts
    from fyke.wire.fyke import alerts as alerts
    from fyke.wire.fyke import callbacks as callbacks
    from fyke.wire.fyke import caps as caps
    from fyke.wire.fyke import changes as changes
    from fyke.wire.fyke import estimates as estimates
    from fyke.wire.fyke import forms as forms
    from fyke.wire.fyke import installation as installation
    from fyke.wire.fyke import nodes as nodes
    from fyke.wire.fyke import overview as overview
    from fyke.wire.fyke import profile as profile
    from fyke.wire.fyke import reviews as reviews
    from fyke.wire.fyke import run_browser as run_browser
    from fyke.wire.fyke import run_diagnosis as run_diagnosis
    from fyke.wire.fyke import run_lists as run_lists
    from fyke.wire.fyke import run_logs as run_logs
    from fyke.wire.fyke import run_picture as run_picture
    from fyke.wire.fyke import runs as runs
    from fyke.wire.fyke import schedules as schedules
    from fyke.wire.fyke import secrets as secrets
    from fyke.wire.fyke import tasks as tasks
    from fyke.wire.fyke import uploads as uploads
    from fyke.wire.fyke import usage as usage
    from fyke.wire.fyke import users as users
    from fyke.wire.fyke import versions as versions
    from fyke.wire.fyke import webhooks as webhooks
    from fyke.wire.fyke import workers as workers
else:
    from fyke.kit.lazy import submodules_of

    __getattr__ = submodules_of(__name__)
