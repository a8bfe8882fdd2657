"""Results as files: eight formats, streamed in constant memory."""
