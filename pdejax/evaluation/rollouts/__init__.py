"""Predictions in time: rolled out, measured, drawn."""
