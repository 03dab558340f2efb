"""Where batches come from: generation, storage in The Well's layout, feeds and a look at what is there."""

from pdejax.data._draw import draw as draw
from pdejax.data.feeds.batch import Batch as Batch
from pdejax.data.feeds.batch import Feed as Feed
from pdejax.data.feeds.batch import batches_of as batches_of
from pdejax.data.feeds.choose import choose_feed as choose_feed
from pdejax.data.feeds.disk import DiskFeed as DiskFeed
from pdejax.data.feeds.order import WindowOrder as WindowOrder
from pdejax.data.feeds.points import CollocationFeed as CollocationFeed
from pdejax.data.feeds.points import PointBatch as PointBatch
from pdejax.data.feeds.window import WindowFeed as WindowFeed
from pdejax.data.generation.generate import generate as generate
from pdejax.data.generation.problem import read_problem as read_problem
from pdejax.data.generation.progress import progress_bar as progress_bar
from pdejax.data.generation.recipe import Recipe as Recipe
from pdejax.data.generation.recipe import SplitSize as SplitSize
from pdejax.data.generation.recipe import first_difference as first_difference
from pdejax.data.points.observations import read_observations as read_observations
from pdejax.data.points.samplers import PointSampler as PointSampler
from pdejax.data.points.samplers import build_point_sampler as build_point_sampler
from pdejax.data.store.dataset import Dataset as Dataset
from pdejax.data.store.dataset import Split as Split
from pdejax.data.store.inspect import describe as describe
from pdejax.data.store.truth import stored_truth as stored_truth
