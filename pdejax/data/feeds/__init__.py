"""Batches for training, in an order that can be resumed."""
