"""Takes pictures of web pages with the browser of the attempt."""
