"""The APIs that the server speaks, each by its paths; rules and logs know the shape of the Messages API only.

A dialect turns what came into a Messages request, and a reply into the bytes of its own API: whole, as events
of a stream, or as an error. Pure: no socket here.
"""
