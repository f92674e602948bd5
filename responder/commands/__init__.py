"""What each command does; ``responder.cli`` reads the words and calls in here."""
