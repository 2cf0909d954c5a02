"""Stored traces: what is kept of a request, the document that is made of it, and the forms it is exported in."""
