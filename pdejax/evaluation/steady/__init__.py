"""Solutions without time: what is drawn of them."""
