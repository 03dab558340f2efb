"""Where batches come from: generation, storage in The Well's layout, feeds and a look at what is there."""

from pdejax.data._collocation import CollocationFeed as CollocationFeed
from pdejax.data._collocation import PointBatch as PointBatch
from pdejax.data._collocation import PointSampler as PointSampler
from pdejax.data._collocation import build_point_sampler as build_point_sampler
from pdejax.data._collocation import read_observations as read_observations
from pdejax.data._dataset import Dataset as Dataset
from pdejax.data._dataset import Split as Split
from pdejax.data._draw import draw as draw
from pdejax.data._feeds import Batch as Batch
from pdejax.data._feeds import DiskFeed as DiskFeed
from pdejax.data._feeds import Feed as Feed
from pdejax.data._feeds import WindowFeed as WindowFeed
from pdejax.data._feeds import batches_of as batches_of
from pdejax.data._feeds import choose_feed as choose_feed
from pdejax.data._inspect import describe as describe
from pdejax.data._order import WindowOrder as WindowOrder
from pdejax.data._truth import stored_truth as stored_truth
from pdejax.data.generation.generate import generate as generate
from pdejax.data.generation.progress import progress_bar as progress_bar
from pdejax.data.generation.recipe import SplitSize as SplitSize
from pdejax.data.generation.recipe import first_difference as first_difference
