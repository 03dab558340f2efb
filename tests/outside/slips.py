"""Slips of people who program with the library: each line of the output is what one is told."""

import jax
import numpy as np

import pdejax

states = np.random.default_rng(0).normal(size=(8, 4, 16, 1)).astype(np.float32)
card = pdejax.DataCard.from_arrays(states, step=0.05)
network = {"kind": "perceptron", "width": 4, "depth": 1}
build = lambda method, key: method.build(network, card, key=key)
drawing = build(pdejax.Diffusion(), jax.random.key(0))
stepper = pdejax.spectral_stepper(pdejax.Equation("u_t = u_xx"), pdejax.Grid((16,), (1.0,)), 0.1)

SLIPS = {
    "call": lambda: drawing(states[:2, 0], key=3),
    "predict": lambda: drawing.predict(states[:2, 0], [0.05], key=3),
    "average": lambda: pdejax.Average((drawing, drawing))(states[:2, 0], key=3),
    "alternating": lambda: pdejax.Alternating(drawing, drawing, 2, 0.05)(states[:2, 0], key=3),
    "repeated": lambda: pdejax.repeated(drawing, 2)(states[:2, 0], key=3),
    "channels": lambda: pdejax.from_channels_first(lambda u, key: u, 1)(states[:2, 0], key=3),
    "trajectory": lambda: pdejax.trajectory(drawing, states[:2, 0], 2, key=3),
    "ode": lambda: build(pdejax.NeuralODE(), jax.random.key(0)).predict(states[:2, 0], [0.05], key=3),
    "build": lambda: build(pdejax.Supervised(), 3),
    "build of an ode": lambda: build(pdejax.NeuralODE(), 3),
    "card": lambda: pdejax.DataCard.of(states),
    "facts": lambda: pdejax.save("model", drawing, metadata=[3]),
    "text": lambda: stepper(states[:2, 0], tendency="heat"),
    "operator": lambda: stepper(states[:2, 0], tendency=drawing),
    "time": lambda: drawing.predict(states[:2, 0], [float("nan")]),
    "clock": lambda: pdejax.trajectory(lambda u: u, states, 2, start_time=1.0),
    "word": lambda: pdejax.ArrayFeed(states, setp=0.1),
}

for name, slip in SLIPS.items():
    try:
        slip()
    except Exception as error:  # whatever it is
        print(f"{name}: {type(error).__name__}: {error}")
