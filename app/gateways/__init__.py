"""Other people's systems, each behind a Protocol of ours. Nothing here opens a transaction or knows a table."""
