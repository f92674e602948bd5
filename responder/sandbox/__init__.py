"""A private IMAP and SMTP server inside the process, an invented weekend, and the show made of both.

For ``responder demo`` and for tests. Nothing here listens anywhere but on loopback, and nothing that the rules,
the engine or the daemon do depends on it.
"""
