"""How somebody else's simulation uses a trained operator."""

from pdejax.embedding._load import load as load
from pdejax.embedding._load import save as save
from pdejax.embedding.artefacts.export import export as export
from pdejax.methods import sharded as sharded
from pdejax.methods import why_unsaved as why_unsaved
