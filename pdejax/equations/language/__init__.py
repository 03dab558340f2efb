"""Equations as text: the grammar, symbols of derivatives, evaluation of expressions, LaTeX."""
