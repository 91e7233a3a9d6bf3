"""A small Llama with random weights as a folder that vLLM loads: config.json, a tokenizer, model.safetensors.

It is made where it is needed (2-3 s) and kept in the user's cache, without torch or transformers: a safetensors file is
a JSON header and the tensors' bytes (https://github.com/huggingface/safetensors#format).
"""

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jobs.services import tiny_model
from jobs.services.tiny_model import ModelError

NAME = "tiny-random"
_HIDDEN, _WIDE, _LAYERS, _HEADS, _HEAD = 256, 768, 4, 4, 64
_KV_HEADS = _HEADS // 2
_CONTEXT = 2048
_CHAT = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}assistant:"


def path() -> Path:
    """Return the folder of the model."""
    return tiny_model.directory() / f"{NAME}-vllm"


def ensure() -> Path:
    """Return the model's folder, and make it first where it is not there. Raises ModelError."""
    target = path()
    if (target / "config.json").is_file():
        return target
    temporary = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f"{target.name}.", dir=target.parent))
        _write(temporary)
        temporary.chmod(0o755)
        _publish(temporary, target)
    except ImportError as error:
        raise ModelError(f"{error.name} is missing to make the tiny model: pip install 'dashcam[llamacpp]'") from error
    except OSError as error:
        raise ModelError(
            f"the tiny model cannot be written to {target}: {error.strerror}; set XDG_CACHE_HOME"
        ) from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
    return target


def _publish(temporary: Path, target: Path) -> None:
    try:
        temporary.rename(target)
    except OSError:
        if not (target / "config.json").is_file():  # else another run made it meanwhile, of the same bytes
            raise


def _write(folder: Path) -> None:
    from tokenizers import decoders  # noqa: PLC0415 - an extra

    tokenizer = tiny_model.tokenizer()
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.save(str(folder / "tokenizer.json"))
    vocabulary: int = tokenizer.get_vocab_size()
    ends = {"bos_token_id": 0, "eos_token_id": 1}
    config: dict[str, Any] = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": vocabulary,
        "hidden_size": _HIDDEN,
        "intermediate_size": _WIDE,
        "num_hidden_layers": _LAYERS,
        "num_attention_heads": _HEADS,
        "num_key_value_heads": _KV_HEADS,
        "head_dim": _HEAD,
        "hidden_act": "silu",
        "rms_norm_eps": 1e-5,
        "max_position_embeddings": _CONTEXT,
        "tie_word_embeddings": False,
        "torch_dtype": "bfloat16",
        **ends,
    }
    tokens = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<s>",
        "eos_token": "</s>",
        "model_max_length": _CONTEXT,
        "chat_template": _CHAT,
    }
    _safetensors(folder / "model.safetensors", vocabulary)
    for name, values in (("tokenizer_config", tokens), ("generation_config", ends), ("config", config)):
        (folder / f"{name}.json").write_text(json.dumps(values, indent=2) + "\n")


def _safetensors(file: Path, vocabulary: int) -> None:
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    position = 0
    for name, shape in _shapes(vocabulary):
        end = position + 2 * shape[0] * (shape[1] if len(shape) > 1 else 1)
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [position, end]}
        position = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with file.open("wb") as stream:
        stream.write(len(text).to_bytes(8, "little") + text)
        for data in _data(vocabulary):
            stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())


def _shapes(vocabulary: int) -> Iterator[tuple[str, list[int]]]:
    """Yield the tensors of a LlamaForCausalLM by their names in transformers."""
    heads, kv = _HEADS * _HEAD, _KV_HEADS * _HEAD
    yield "model.embed_tokens.weight", [vocabulary, _HIDDEN]
    yield "model.norm.weight", [_HIDDEN]
    yield "lm_head.weight", [vocabulary, _HIDDEN]
    for index in range(_LAYERS):
        block = f"model.layers.{index}."
        yield block + "input_layernorm.weight", [_HIDDEN]
        yield block + "post_attention_layernorm.weight", [_HIDDEN]
        yield block + "self_attn.q_proj.weight", [heads, _HIDDEN]
        yield block + "self_attn.k_proj.weight", [kv, _HIDDEN]
        yield block + "self_attn.v_proj.weight", [kv, _HIDDEN]
        yield block + "self_attn.o_proj.weight", [_HIDDEN, heads]
        yield block + "mlp.gate_proj.weight", [_WIDE, _HIDDEN]
        yield block + "mlp.up_proj.weight", [_WIDE, _HIDDEN]
        yield block + "mlp.down_proj.weight", [_HIDDEN, _WIDE]


def _data(vocabulary: int) -> Iterator[bytes]:
    import numpy as np  # noqa: PLC0415 - only where the model is made

    generator = np.random.default_rng(0)
    for _, shape in _shapes(vocabulary):
        values = generator.standard_normal(shape) * 0.02 if len(shape) > 1 else np.ones(shape)
        # bfloat16 is the upper half of a float32.
        yield (values.astype("<f4").view("<u4") >> 16).astype("<u2").tobytes()


if __name__ == "__main__":
    print(ensure(), file=sys.stdout)  # noqa: T201 - its answer
