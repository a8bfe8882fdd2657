"""Names by which an installation and the place of its blobs in S3 know each other."""

from __future__ import annotations

PLACE = "blobs_url"  # the fact about the installation: where its blobs are, if they are in S3
INSTALLATION_ID = "installation_id"  # the fact with its id
MARK = "installation"  # the blob with the id of the installation that uses the place
