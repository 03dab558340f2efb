"""How somebody else's simulation uses a trained operator."""

from pdejax.embedding._flax import as_linen as as_linen
from pdejax.embedding._flax import as_nnx as as_nnx
from pdejax.embedding._load import load as load
from pdejax.embedding._load import save as save
from pdejax.methods import sharded as sharded
from pdejax.methods import why_unsaved as why_unsaved
