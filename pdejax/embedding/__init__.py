"""How somebody else's simulation uses a trained operator."""

from pdejax.core import converted as converted
from pdejax.core import from_channels_first as from_channels_first
from pdejax.core import to_channels_first as to_channels_first
from pdejax.core import unroll as unroll
from pdejax.embedding._flax import as_linen as as_linen
from pdejax.embedding._flax import as_nnx as as_nnx
from pdejax.embedding._load import load as load
from pdejax.embedding._load import save as save
from pdejax.embedding.artefacts.export import export as export
from pdejax.methods import Closure as Closure
from pdejax.methods import Correct as Correct
from pdejax.methods import Replace as Replace
from pdejax.methods import Tendency as Tendency
from pdejax.methods import sharded as sharded
from pdejax.methods import trainable as trainable
from pdejax.methods import why_unsaved as why_unsaved
