"""HTTP: the Flask application and the server it runs in; nothing else of ours imports Flask."""
