from tests.evaluation.conftest import undrawn as undrawn
