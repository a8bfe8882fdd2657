"""What a run pushed: headers and rows; and the ways out of it (pages, exports)."""
