"""What `from pdejax import *` gives, which is resolved lazily."""

import pdejax


def test_all_names_are_there():
    found: dict = {}
    exec("from pdejax import *", found)  # what people write in a notebook
    assert {"Grid", "Equation", "FiniteVolume", "load"} <= {*found}
    assert {*pdejax.__all__} <= {*dir(pdejax)}
