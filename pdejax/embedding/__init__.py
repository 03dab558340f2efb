"""How somebody else's simulation uses a trained operator."""

from pdejax.embedding._load import load as load
