"""The empty base model: an Idefics3 (SmolVLM's architecture) small enough to ship, with its tokenizer, processor and template.

Widths of heads are multiples of 32, as vLLM's attention on the CPU wants them. One image is nine tokens, one for each cell.
"""

from __future__ import annotations

from typing import Any

from tokenizers import Regex, Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from transformers import Idefics3Config, Idefics3ForConditionalGeneration, Idefics3Processor, PreTrainedTokenizerFast
from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil

from .drawing import CELL, SIDE
from .wording import vocabulary

PATCH = CELL // 2
IMAGE_TOKENS = 9

_WIDTH, _LAYERS, _HEAD = 128, 4, 32
_VISION_WIDTH, _VISION_LAYERS = 96, 2
_INIT = 0.08
"""About 1 / sqrt(width). The library's 0.02 is far too small for layers this narrow and slows learning several times."""

PAD, START, END = "<|endoftext|>", "<|im_start|>", "<end_of_utterance>"
_SPECIAL = (PAD, START, END, "<fake_token_around_image>", "<global-img>", "<image>")

CHAT_TEMPLATE = (
    "{{ '<|im_start|>' }}{% for message in messages %}{{ message['role'] | capitalize }}:"
    "{% if message['content'] is string %} {{ message['content'] }}"
    "{% else %}{% for block in message['content'] %}"
    "{% if block['type'] == 'image' %}<image>{% else %} {{ block['text'] }}{% endif %}"
    "{% endfor %}{% endif %}<end_of_utterance>\n"
    "{% endfor %}{% if add_generation_prompt %}Assistant:{% endif %}"
)
"""As SmolVLM's, but each text starts with a space, so that a word is the same token wherever it stands."""


def make_tokenizer() -> PreTrainedTokenizerFast:
    """Byte-level, so that any text can be read and written; the world's own words are one token each."""
    pieces = [*pre_tokenizers.ByteLevel.alphabet(), *(f"Ġ{word}" for word in vocabulary()), "User", "Assistant"]
    vocab = {piece: number for number, piece in enumerate(sorted(set(pieces)))}
    tokenizer = Tokenizer(BPE(vocab=vocab, merges=[], ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r" ?\[\[[AB]\]\]| ?\([AB]\)| ?[\w-]+| ?[^\w\s]+|\s+"), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=END,
        bos_token=START,
        pad_token=PAD,
        additional_special_tokens=list(_SPECIAL),
        clean_up_tokenization_spaces=False,
    )


def make_processor() -> Idefics3Processor:
    """Pictures at SIDE x SIDE without splitting, chat template included."""
    edge = {"longest_edge": SIDE}
    half = [0.5, 0.5, 0.5]
    images = Idefics3ImageProcessorPil(do_image_splitting=False, size=edge, max_image_size=edge, image_mean=half, image_std=half)
    return Idefics3Processor(images, make_tokenizer(), image_seq_len=IMAGE_TOKENS, chat_template=CHAT_TEMPLATE)


def make_model(tokenizer: PreTrainedTokenizerFast) -> Idefics3ForConditionalGeneration:
    """The model with random weights."""
    ends: dict[str, Any] = {
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
    }
    config = Idefics3Config(
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        scale_factor=2,
        vision_config={
            "hidden_size": _VISION_WIDTH,
            "intermediate_size": 3 * _VISION_WIDTH,
            "num_hidden_layers": _VISION_LAYERS,
            "num_attention_heads": _VISION_WIDTH // _HEAD,
            "image_size": SIDE,
            "patch_size": PATCH,
            "initializer_range": _INIT,
        },
        text_config={
            "model_type": "llama",
            "hidden_size": _WIDTH,
            "intermediate_size": 3 * _WIDTH,
            "num_hidden_layers": _LAYERS,
            "num_attention_heads": _WIDTH // _HEAD,
            "num_key_value_heads": _WIDTH // _HEAD,
            "vocab_size": len(tokenizer),
            "max_position_embeddings": 1024,
            "initializer_range": _INIT,
            "rms_norm_eps": 1e-5,
            **ends,
        },
        **ends,
    )
    model = Idefics3ForConditionalGeneration(config)
    model.generation_config.update(do_sample=False, **ends)
    return model
