"""A small Llama with random weights and a byte-level tokenizer: the real server, kernels and streaming, in 20 MB.

It is made where it is needed (2-3 s) and kept in the user's cache. Same package versions, same file.
"""

import json
import os
import sys
import sysconfig
from pathlib import Path
from typing import Any

NAME = "tiny-random"
_HIDDEN, _LAYERS, VOCABULARY, _HEAD = 256, 4, 4096, 64


class ModelError(Exception):
    """The model cannot be made; the text says why and the mend."""


def directory() -> Path:
    """Return where models of ours are kept: $XDG_CACHE_HOME/dashcam/models, by default under ~/.cache."""
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(cache) / "dashcam" / "models"


def path() -> Path:
    """Return where the model is kept."""
    return directory() / f"{NAME}.gguf"


def ensure() -> Path:
    """Return the model's path, and make it first where it is not there. Raises ModelError."""
    target = path()
    if target.is_file():
        return target
    temporary = target.with_suffix(f".{os.getpid()}.tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _write(temporary)
        temporary.replace(target)  # two runs may make it at once: the last one wins with the same bytes
    except ImportError as error:
        raise ModelError(f"{error.name} is missing to make the tiny model: pip install 'dashcam[llamacpp]'") from error
    except OSError as error:
        raise ModelError(
            f"the tiny model cannot be written to {target}: {error.strerror}; set XDG_CACHE_HOME"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)
    return target


def _write(target: Path) -> None:
    import gguf  # noqa: PLC0415 - an extra, needed for this only

    tokens, merges = _tokenizer()
    writer: Any = gguf.GGUFWriter(str(target), "llama")
    writer.add_name(NAME)
    writer.add_context_length(8192)
    writer.add_embedding_length(_HIDDEN)
    writer.add_block_count(_LAYERS)
    writer.add_feed_forward_length(_HIDDEN * 3)
    heads = _HIDDEN // _HEAD
    writer.add_head_count(heads)
    writer.add_head_count_kv(heads // 2)
    writer.add_key_length(_HEAD)
    writer.add_value_length(_HEAD)
    writer.add_rope_dimension_count(_HEAD)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(tokens))
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_merges(merges)
    writer.add_token_types([gguf.TokenType.CONTROL if i < 2 else gguf.TokenType.NORMAL for i in range(len(tokens))])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    writer.add_add_bos_token(True)
    writer.add_chat_template("{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}assistant:")
    _tensors(writer, len(tokens), heads)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _tensors(writer: Any, vocabulary: int, heads: int) -> None:
    import numpy as np  # noqa: PLC0415 - with gguf

    generator = np.random.default_rng(0)

    def random(name: str, *shape: int) -> None:
        writer.add_tensor(name, (generator.standard_normal(shape) * 0.02).astype(np.float16))

    def ones(name: str) -> None:
        writer.add_tensor(name, np.ones(_HIDDEN, np.float32))

    wide = heads * _HEAD
    random("token_embd.weight", vocabulary, _HIDDEN)
    ones("output_norm.weight")
    random("output.weight", vocabulary, _HIDDEN)
    for index in range(_LAYERS):
        block = f"blk.{index}."
        ones(block + "attn_norm.weight")
        ones(block + "ffn_norm.weight")
        random(block + "attn_q.weight", wide, _HIDDEN)
        random(block + "attn_k.weight", wide // 2, _HIDDEN)
        random(block + "attn_v.weight", wide // 2, _HIDDEN)
        random(block + "attn_output.weight", _HIDDEN, wide)
        random(block + "ffn_gate.weight", _HIDDEN * 3, _HIDDEN)
        random(block + "ffn_up.weight", _HIDDEN * 3, _HIDDEN)
        random(block + "ffn_down.weight", _HIDDEN, _HIDDEN * 3)


def tokenizer() -> Any:
    """Return a `tokenizers.Tokenizer` trained on the standard library's sources, the text that every Python has.

    Raises ImportError.
    """
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers  # noqa: PLC0415 - an extra

    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=["<s>", "</s>"],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    sources = sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py"))[:150]
    trained.train([str(source) for source in sources], trainer)
    return trained


def _tokenizer() -> tuple[list[str], list[str]]:
    model = json.loads(tokenizer().to_str())["model"]
    tokens = [token for token, _ in sorted(model["vocab"].items(), key=lambda item: item[1])]
    return tokens, [" ".join(merge) if isinstance(merge, list) else merge for merge in model["merges"]]


if __name__ == "__main__":
    print(ensure(), file=sys.stdout)  # noqa: T201 - its answer
