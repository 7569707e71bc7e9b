"""Tasks, per topic: each a few lines that call one service."""
