"""Results as files: nine formats, streamed in constant memory."""
