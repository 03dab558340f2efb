from pdejax.networks import choose_kernel


def test_choice_depends_on_the_device():
    assert choose_kernel((64, 64), (12, 12), "cpu") == "dft"
    assert choose_kernel((4096,), (1024,), "cpu") == "fft"
    assert choose_kernel((64, 64), (12, 12), "cuda") == "fft"
    assert choose_kernel((256,), (64,), "tpu") == "dft"
    assert choose_kernel((256,), (65,), "tpu") == "fft"


def test_more_modes_never_turn_the_choice_back_to_dft():
    for shape in ((256,), (1024,), (64, 64), (256, 256), (32, 32, 32)):
        choices = [choose_kernel(shape, (m,) * len(shape), "cpu") for m in range(1, shape[0] // 2 + 1)]
        assert choices == sorted(choices)
        assert choices[0] == "dft"
