"""Mail as values: what MM4 and e-mail say, and what is decided about it."""
