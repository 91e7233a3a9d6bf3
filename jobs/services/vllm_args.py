"""Options of `vllm serve` that a recipe may add to ours, and those that it may not."""

import re
from typing import Annotated

from pydantic import AfterValidator

_OURS = frozenset(
    (
        *("model", "served-model-name", "host", "port", "uds", "api-key", "hf-token", "config"),
        *("tensor-parallel-size", "pipeline-parallel-size", "max-model-len", "max-num-seqs"),
        *("gpu-memory-utilization", "dtype", "runner", "task", "disable-log-stats", "root-path"),
        *("ssl-keyfile", "ssl-certfile", "ssl-ca-certs", "ssl-cert-reqs", "grpc", "headless"),
        *("nnodes", "node-rank", "master-addr", "master-port", "distributed-executor-backend"),
        *("data-parallel-address", "data-parallel-backend", "data-parallel-hybrid-lb", "data-parallel-external-lb"),
    )
)
"""Long options that `args` cannot hold: keys of ours say them, or they would open the server, move it to where nobody
looks, take its metrics away, spread it over other nodes, or show a secret to every `ps`."""

_KEYS = {
    "model": "model",
    "served-model-name": "served_name",
    "port": "port",
    "tensor-parallel-size": "tensor_parallel",
    "pipeline-parallel-size": "pipeline_parallel",
    "distributed-executor-backend": "span",
    "max-model-len": "max_model_len",
    "max-num-seqs": "max_num_seqs",
    "gpu-memory-utilization": "gpu_memory_utilization",
    "dtype": "dtype",
    "runner": "embeddings",
    "task": "embeddings",
}
"""Keys of ours by the options of vLLM that they stand for."""


def _not_ours(words: tuple[str, ...]) -> tuple[str, ...]:
    for word in words:
        if re.match(r"-[^-\d]", word):
            raise ValueError(f"{word!r} is a short option: write the long one, so that it can be told from ours")
        name = word.removeprefix("--").partition("=")[0].partition(".")[0].replace("_", "-").lower()
        # argparse takes the beginning of an option for the whole.
        if word.startswith("--") and (taken := sorted(each for each in _OURS if each.startswith(name))):
            key = next((_KEYS[each] for each in taken if each in _KEYS), None)
            mend = f"use the key `{key}`" if key else "leave it out"
            raise ValueError(f"{word.partition('=')[0]!r} is ours to set: {mend}")
    return words


Args = Annotated[tuple[str, ...], AfterValidator(_not_ours)]
"""Words of a command line that hold none of our own options, by whatever spelling. Raises ValueError with the mend."""
