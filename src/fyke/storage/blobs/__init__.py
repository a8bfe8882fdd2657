"""Storage of bundles and uploads as blobs."""
