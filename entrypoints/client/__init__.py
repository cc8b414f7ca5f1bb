"""The client of the HTTP API, for other programs; it imports urllib3 and nothing else of menshen."""
