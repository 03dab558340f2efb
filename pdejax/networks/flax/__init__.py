"""Modules of Flax as networks of ours, and back; Flax is imported when one of them is used."""
