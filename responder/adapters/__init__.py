"""The only rooms that name imapclient, aiosmtplib and sqlite3."""
