"""The paths in the data folder.

Only the standard library, and little of it: roles know these paths without the settings themselves,
whose library takes 8 MiB.
"""

from __future__ import annotations

from pathlib import Path


class FolderPaths:
    """The paths in the folder ``home``, which each subclass has."""

    home: Path

    @property
    def run_dir(self) -> Path:
        """Sockets of Fyke's processes (0700)."""
        return self.home / "run"

    @property
    def up_lock(self) -> Path:
        """The file that ``fyke up`` has locked while it runs."""
        return self.run_dir / "up.lock"

    @property
    def signals_dir(self) -> Path:
        """One datagram socket for each process that receives signals."""
        return self.run_dir / "bell"

    @property
    def egress_socket(self) -> Path:
        """The socket of the egress process, for requests of the runner."""
        return self.run_dir / "egress.sock"

    @property
    def browser_socket(self) -> Path:
        """The socket of the browser gateway, for requests of the runner."""
        return self.run_dir / "browser.sock"

    @property
    def browser_view_socket(self) -> Path:
        """The socket of the browser gateway for live views, for requests of the servers."""
        return self.run_dir / "browser-view.sock"

    @property
    def launcher_socket(self) -> Path:
        """The socket of the launcher, if Fyke was started as root."""
        return self.run_dir / "launcher.sock"

    @property
    def node_file(self) -> Path:
        """The id of this machine in an installation of several."""
        return self.home / "node"

    @property
    def blobs_dir(self) -> Path:
        return self.home / "blobs"

    @property
    def journal_dir(self) -> Path:
        """Rows that are acknowledged and not yet in ``rows.db`` (SQLite)."""
        return self.home / "journal"

    @property
    def scratch_dir(self) -> Path:
        """Temporary files, for example of workbooks that are generated."""
        return self.home / "scratch"

    @property
    def downloads_dir(self) -> Path:
        """Exports and logs that are being downloaded, with a folder for each server process."""
        return self.scratch_dir / "downloads"

    @property
    def bundles_dir(self) -> Path:
        """Unpacked versions, read-only and world-readable, because sandboxes mount them."""
        return self.home / "cache" / "bundles"

    @property
    def environments_dir(self) -> Path:
        return self.home / "cache" / "environments"

    @property
    def work_dir(self) -> Path:
        """One folder per running attempt."""
        return self.home / "work"

    @property
    def owner_key_file(self) -> Path:
        """The operator's local credential (0600)."""
        return self.home / "owner.key"

    @property
    def setup_link_file(self) -> Path:
        """The link for the owner's first password when it is not printed (0600)."""
        return self.home / "setup-link"

    @property
    def secret_file(self) -> Path:
        """32 random bytes that sign download links and derive webhook secrets (0600)."""
        return self.home / "secret.key"

    @property
    def server_file(self) -> Path:
        """The URL of the server, for commands on the same machine."""
        return self.home / "server.json"
