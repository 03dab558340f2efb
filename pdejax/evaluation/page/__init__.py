"""Pages that can be mailed, printed and read offline."""
