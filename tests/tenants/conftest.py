# else what networks register would count as brought by the first test that needs them, and go with it
import pdejax.networks  # noqa: F401
from tests.evaluation.conftest import undrawn as undrawn
