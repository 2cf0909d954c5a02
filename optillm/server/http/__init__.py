"""HTTP: the only room that knows gunicorn and aiohttp's server; its face is `serve`."""
