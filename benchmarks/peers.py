"""Whether cells compute what other people's code does. `python -m benchmarks.peers`.

Each cell gets random weights and reads random sequences; so does a peer with the same weights. The peers are the
authors' own code (`xlstm`, of Beck et al.), ports of the authors' code in `transformers` (RecurrentGemma, of De et al.;
Mamba, of Gu and Dao; the gated delta rule, of Yang et al.), and `torchrecurrent`. They need torch, and are not required
by the package: `pip install torch==2.13.0 torchrecurrent transformers xlstm` in an environment of their own.

The table has the largest difference of an output, and the largest output. LEM is expected to differ: the peer's second
state sees the old value of the first, the paper's the new one.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from benchmarks.common import parser, show
from keras_rnncap.cells import get_cell

BATCH, LENGTH, WIDTH, UNITS = 4, 20, 5, 6
OPEN = 1.2784645427610738
"""x with SiLU(x) = 1: makes Mamba's output gate 1."""
Weights = dict[str, np.ndarray]
Peer = Callable[[Weights, np.ndarray], np.ndarray]


def _tensor(array: np.ndarray) -> Any:
    import torch

    return torch.tensor(array)


def _torchrecurrent(name: str, extra: Callable[[Weights], dict[str, np.ndarray]] | None = None, **options: Any) -> Peer:
    """Returns a peer of torchrecurrent, whose matrices are transposed, and whose second bias is zero."""

    def outputs(w: Weights, x: np.ndarray) -> np.ndarray:
        import torch
        import torchrecurrent

        cell = getattr(torchrecurrent, f"{name}Cell")(x.shape[-1], UNITS, **options)
        given = {"weight_ih": w["kernel"].T, "bias_ih": w["bias"]}
        if "recurrent_kernel" in w:
            given["weight_hh"] = w["recurrent_kernel"].T
        given |= extra(w) if extra else {}
        with torch.no_grad():
            for key, parameter in cell.named_parameters():
                parameter.copy_(_tensor(given[key]) if key in given else torch.zeros_like(parameter))
            state, found = None, []
            for step in _tensor(x).unbind(1):
                state = cell(step, state)
                found.append(state[0] if isinstance(state, tuple) else state)
            return torch.stack(found, 1).numpy()

    return outputs


def _in_order(w: Weights, *order: int) -> dict[str, np.ndarray]:
    """Returns the weights with the blocks in a peer's order."""

    def sorted_blocks(name: str) -> np.ndarray:
        blocks = np.split(w[name], len(order), -1)
        return np.concatenate([blocks[place] for place in order], -1)

    return {
        "weight_ih": sorted_blocks("kernel").T,
        "bias_ih": sorted_blocks("bias"),
        "weight_hh": sorted_blocks("recurrent_kernel").T,
    }


def _of_lem(w: Weights) -> dict[str, np.ndarray]:
    """Returns LEM's weights, with the step of the hidden state first, and what sees the memory on its own."""
    given = _in_order(w, 1, 0, 2, 3)
    *seeing_hidden, seeing_memory = np.split(given["weight_hh"], 4)
    return given | {"weight_hh": np.concatenate(seeing_hidden), "weight_ch": seeing_memory}


def _slstm(w: Weights, x: np.ndarray) -> np.ndarray:
    import torch
    from xlstm.blocks.slstm.src.vanilla.slstm import slstm_forward_pointwise

    states, found = torch.zeros(4, len(x), UNITS), []
    for step in _tensor(x).unbind(1):
        of_input, of_state = step @ _tensor(w["kernel"]), states[0] @ _tensor(w["recurrent_kernel"])
        states, _ = slstm_forward_pointwise(of_input, of_state, _tensor(w["bias"])[None], states, {})
        found.append(states[0])
    return torch.stack(found, 1).numpy()


def _mlstm(w: Weights, x: np.ndarray) -> np.ndarray:
    import torch
    from xlstm.blocks.mlstm.backends import recurrent_step_stabilized_simple

    states: Any = (torch.zeros(len(x), 1, UNITS, UNITS), torch.zeros(len(x), 1, UNITS, 1), torch.zeros(len(x), 1, 1, 1))
    found = []
    for step in _tensor(x).unbind(1):
        parts = {name: step @ _tensor(w[f"{name}_kernel"]) + _tensor(w[f"{name}_bias"]) for name in ("key", "value")}
        (k, q), (v, o) = parts["key"].chunk(2, 1), parts["value"].chunk(2, 1)
        i, f = (step @ _tensor(w["gate_kernel"]) + _tensor(w["gate_bias"])).chunk(2, 1)
        i, f = i[:, None, None], f[:, None, None]
        h, states = recurrent_step_stabilized_simple(*states, *(part[:, None, None] for part in (q, k, v)), i, f)
        found.append(torch.sigmoid(o) * h[:, 0, 0])
    return torch.stack(found, 1).numpy()


def _rg_lru(w: Weights, x: np.ndarray) -> np.ndarray:
    import torch
    from transformers import RecurrentGemmaConfig
    from transformers.models.recurrent_gemma.modeling_recurrent_gemma import RecurrentGemmaRglru

    layer = RecurrentGemmaRglru(RecurrentGemmaConfig(lru_width=UNITS, num_attention_heads=1))
    (recurrence, from_input), biases = np.split(w["kernel"], 2, -1), np.split(w["bias"], 2)
    given = {
        "recurrent_param": w["decay"],
        "recurrent_gate_weight": recurrence[None],
        "input_gate_weight": from_input[None],
    }
    given |= {"recurrent_gate_bias": biases[0][None], "input_gate_bias": biases[1][None]}
    # At position 0, the peer takes in the first input whole; a first position of 1 leaves the equation as it is.
    positions = torch.arange(1, x.shape[1] + 1).expand(len(x), -1)
    with torch.no_grad():
        for key, parameter in layer.named_parameters():
            parameter.copy_(_tensor(given[key]))
        return layer(_tensor(x @ w["projection"]), positions).numpy()


def _s6(w: Weights, x: np.ndarray) -> np.ndarray:
    """The mixer of Mamba with its convolution and its gate made the identity."""
    import torch
    from transformers import MambaConfig
    from transformers.models.mamba.modeling_mamba import MambaMixer

    columns = w["log_decay"].shape[1]
    sizes = {"hidden_size": UNITS + 1, "intermediate_size": UNITS, "state_size": columns, "time_step_rank": 1}
    config = MambaConfig(**sizes, expand=1, hidden_act="linear", use_bias=False, use_conv_bias=False)
    config.intermediate_size = UNITS
    mixer = MambaMixer(config, 0)
    passes, ones = np.eye(UNITS, UNITS + 1, dtype="float32"), np.zeros((UNITS, UNITS + 1), "float32")
    ones[:, -1] = OPEN
    last = np.zeros((UNITS, 1, config.conv_kernel), "float32")
    last[..., -1] = 1.0
    given = {
        "in_proj.weight": np.concatenate([passes, ones]),
        "conv1d.weight": last,
        "x_proj.weight": np.concatenate([w["step_kernel"], w["selection"]], -1).T,
        "dt_proj.weight": np.ones((UNITS, 1), "float32"),
        "dt_proj.bias": w["step_bias"],
        "A_log": w["log_decay"],
        "D": w["skip"],
        "out_proj.weight": passes.T,
    }
    inputs = np.concatenate([x @ w["projection"], np.ones((*x.shape[:2], 1), "float32")], -1)
    with torch.no_grad():
        for key, parameter in mixer.named_parameters():
            parameter.copy_(_tensor(given[key]))
        return mixer(_tensor(inputs)).numpy()[..., :UNITS]


def _gated_deltanet(w: Weights, x: np.ndarray) -> np.ndarray:
    from transformers.models.qwen3_next.modeling_qwen3_next import torch_recurrent_gated_delta_rule

    k, q = np.split(x @ w["key_kernel"], 2, -1)
    decay, beta = np.split(x @ w["gate_kernel"], 2, -1)
    decay = -np.exp(w["log_decay"]) * np.logaddexp(0.0, decay + w["decay_bias"])
    rule = [_tensor(part)[:, :, None] for part in (q * np.sqrt(UNITS, dtype="float32"), k, x @ w["value_kernel"])]
    # The peer normalizes queries, and divides them by the root of their width afterwards.
    gates = [_tensor(part.astype("float32")) for part in (decay, 1 / (1 + np.exp(-beta)))]
    found, _ = torch_recurrent_gated_delta_rule(*rule, *gates, use_qk_l2norm_in_kernel=True)
    return np.sqrt(UNITS) * found[:, :, 0].numpy()


PEERS: dict[str, tuple[str, dict[str, Any], Peer]] = {
    "ugrnn": ("torchrecurrent", {"forget_bias": 0.0}, _torchrecurrent("UGRNN")),
    "mgu": ("torchrecurrent", {}, _torchrecurrent("MGU")),
    "janet": ("torchrecurrent", {}, _torchrecurrent("JANET", lambda _: {"beta": np.array(1.0, "float32")})),
    "fastgrnn": (
        "torchrecurrent",
        {},
        _torchrecurrent(
            "FastGRNN", lambda w: {name: w[name].reshape(1) for name in ("zeta", "nu")}, nonlinearity="sigmoid"
        ),
    ),
    "indrnn": (
        "torchrecurrent",
        {"activation": "tanh"},
        _torchrecurrent("IndRNN", lambda w: {"vector_u": w["recurrent_vector"]}, nonlinearity="tanh"),
    ),
    "lem": ("torchrecurrent", {}, _torchrecurrent("LEM", _of_lem, dt=1.0)),
    "slstm": ("the authors' xlstm", {"forget_bias": 0.0}, _slstm),
    "mlstm": ("the authors' xlstm", {"forget_bias": 0.0}, _mlstm),
    "rg-lru": ("transformers, RecurrentGemma", {}, _rg_lru),
    "s6": ("transformers, Mamba", {}, _s6),
    "gated-deltanet": ("transformers, Qwen3-Next", {}, _gated_deltanet),
}
"""Cell: peer, arguments of the cell, and the peer's outputs."""


def outputs(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Returns the outputs of a cell, and those of its peer with the same weights."""
    _, options, peer = PEERS[name]
    rng = np.random.default_rng(0)
    layer = keras.layers.RNN(get_cell(name)(UNITS, **options), return_sequences=True)
    x = rng.normal(size=(BATCH, LENGTH, WIDTH)).astype("float32")
    layer(x)
    for weight in layer.cell.trainable_weights:
        starts_at_zero = weight.name == "initial_state"
        weight.assign(np.zeros(weight.shape) if starts_at_zero else rng.normal(scale=0.5, size=weight.shape))
    weights = {weight.name: keras.ops.convert_to_numpy(weight) for weight in layer.cell.trainable_weights}
    return keras.ops.convert_to_numpy(layer(x)), peer(weights, x)


def main() -> None:
    """Prints a table."""
    arguments = parser(__doc__)
    arguments.add_argument("--cells", nargs="+", choices=list(PEERS), default=list(PEERS))
    options = arguments.parse_args()
    rows = []
    for name in options.cells:
        ours, theirs = outputs(name)
        peer = PEERS[name][0] + (", another form" if name == "lem" else "")
        row = {"cell": name, "peer": peer, "largest difference": f"{np.abs(ours - theirs).max():.1e}"}
        rows.append(row | {"largest output": f"{np.abs(ours).max():.2g}"})
    show(f"Outputs of {BATCH} sequences of {LENGTH} steps, {UNITS} units, beside the peer's", rows, texts=2)


if __name__ == "__main__":
    main()
