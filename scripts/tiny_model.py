"""Make a tiny vision-language model with random weights, for trying real code paths without a download.

`python scripts/tiny_model.py OUT [--family NAME]` writes what `selfjudge run` needs of a model folder: 200,000 to 450,000
parameters of the family's own architecture, its own processor, a tokenizer of characters with its control tokens, and a chat
template of its shape. It knows nothing and writes noise. Most processors need torchvision, SmolVLM's num2words too: see
`docs/families.md`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers as hf
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, decoders
from tokenizers.models import BPE

SIDE, PATCH = 32, 16

TEXT: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,  # of 32 channels each: vLLM's attention on the CPU takes no fewer
    "num_key_value_heads": 1,
    "max_position_embeddings": 8192,
    "tie_word_embeddings": False,
}
TOWER: dict[str, Any] = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 2}
SHARP: dict[str, Any] = {"initializer_range": 0.2}
"""Weights ten times the usual: greedy choices of a random model are then far apart, so rounding does not decide them."""

UNKNOWN = "<unk>"

CHATML = ("<|im_start|>{role}\n", "<|im_end|>\n")

Parts = tuple[Any, Any]
"""A configuration and a processor."""


def chat_template(image: str, opening: str, closing: str, *, start: str = "", assistant: str = "assistant") -> str:
    """A template that writes each turn between two marks, `{role}` standing for who speaks."""
    written = repr(opening).replace("{role}", f"' + message['role'].replace('assistant', '{assistant}') + '")
    asked = repr(opening.replace("{role}", assistant))
    return (
        f"{{{{ {start!r} }}}}{{% for message in messages %}}{{{{ {written} }}}}"
        f"{{% for block in message['content'] %}}{{{{ {image!r} if block['type'] == 'image' else block['text'] }}}}{{% endfor %}}"
        f"{{{{ {closing!r} }}}}{{% endfor %}}{{% if add_generation_prompt %}}{{{{ {asked} }}}}{{% endif %}}"
    )


def make_tokenizer(*control: str, pad: str, end: str, start: str | None = None, **named: str) -> Any:
    """A token for each ASCII character and each control token; `named` are those that a processor asks its tokenizer for.

    Other characters are unknown: half a character, as bytes would give it, has another spelling in each engine.
    """
    alphabet = [" ", "\n", *map(chr, range(33, 127))]
    tokenizer = Tokenizer(BPE(vocab={piece: i for i, piece in enumerate([UNKNOWN, *alphabet])}, merges=[], unk_token=UNKNOWN))
    tokenizer.decoder = decoders.Fuse()
    made = hf.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token=UNKNOWN,
        pad_token=pad,
        bos_token=start,
        eos_token=end,
        clean_up_tokenization_spaces=False,
        extra_special_tokens=named,
    )
    made.add_special_tokens({"additional_special_tokens": list(control)}, replace_extra_special_tokens=False)
    return made


def text_ids(tokenizer: Any) -> dict[str, Any]:
    return {
        "vocab_size": len(tokenizer),
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
    }


def image_processor(name: str, **options: Any) -> Any:
    """An image processor of a class as it is published, on torchvision where that is installed."""
    found = getattr(hf, name)
    if getattr(found, "is_dummy", False):
        found = getattr(hf, f"{name}Pil")
    return found(**options)


def square() -> dict[str, int]:
    return {"height": SIDE, "width": SIDE}


def siglip(patch_size: int) -> dict[str, Any]:
    return {
        **TOWER,
        "model_type": "siglip_vision_model",
        "image_size": SIDE,
        "patch_size": patch_size,
        "vision_use_head": False,
    }


def llava() -> Parts:
    tokenizer = make_tokenizer("<image>", pad="<pad>", start="<s>", end="</s>")
    template = (  # as published: it ends no reply
        "{% for message in messages %}{{ message['role'].upper() + ': ' }}"
        "{% for block in message['content'] | selectattr('type', 'equalto', 'image') %}{{ '<image>\n' }}{% endfor %}"
        "{% for block in message['content'] | selectattr('type', 'equalto', 'text') %}{{ block['text'] + ' ' }}{% endfor %}"
        "{% endfor %}{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"
    )
    processor = hf.LlavaProcessor(
        image_processor("CLIPImageProcessor", size=square(), crop_size=square()),
        tokenizer,
        patch_size=PATCH,
        vision_feature_select_strategy="default",
        chat_template=template,
        num_additional_image_tokens=1,
    )
    config = hf.LlavaConfig(
        vision_config=hf.CLIPVisionConfig(**TOWER, image_size=SIDE, patch_size=PATCH, projection_dim=32),
        text_config=hf.LlamaConfig(**TEXT, **SHARP, **text_ids(tokenizer)),
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        vision_feature_layer=-1,
    )
    return config, processor


def mllama() -> Parts:
    control = ("<|python_tag|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<|image|>")
    tokenizer = make_tokenizer(*control, pad="<|finetune_right_pad_id|>", start="<|begin_of_text|>", end="<|eot_id|>")
    template = chat_template(
        "<|image|>", "<|start_header_id|>{role}<|end_header_id|>\n\n", "<|eot_id|>", start="<|begin_of_text|>"
    )
    processor = hf.MllamaProcessor(
        image_processor("MllamaImageProcessor", size=square(), max_image_tiles=4), tokenizer, chat_template=template
    )
    tower = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "attention_heads": 2, "num_global_layers": 1}
    text = {**TEXT, **SHARP, **text_ids(tokenizer)}
    image = tokenizer.convert_tokens_to_ids("<|image|>")
    config = hf.MllamaConfig(
        vision_config=hf.MllamaVisionConfig(
            **tower,
            image_size=SIDE,
            patch_size=PATCH,
            max_num_tiles=4,
            intermediate_layers_indices=[0, 1],
            vision_output_dim=192,
            supported_aspect_ratios=[[1, 1], [1, 2], [1, 3], [1, 4], [2, 1], [2, 2], [3, 1], [4, 1]],
        ),
        text_config=hf.MllamaTextConfig(**{**text, "vocab_size": image}, cross_attention_layers=[1]),
        image_token_index=image,  # read but never written: as published, it lies beyond the vocabulary
    )
    return config, processor


def _qwen_tokenizer() -> Any:
    control = ("<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
    return make_tokenizer(*control, pad="<|endoftext|>", end="<|im_end|>")


def _qwen_ids(tokenizer: Any) -> dict[str, int]:
    tokens = {"image": "<|image_pad|>", "video": "<|video_pad|>"}
    tokens |= {"vision_start": "<|vision_start|>", "vision_end": "<|vision_end|>"}
    return {f"{name}_token_id": tokenizer.convert_tokens_to_ids(token) for name, token in tokens.items()}


def _qwen_template() -> str:
    return chat_template("<|vision_start|><|image_pad|><|vision_end|>", *CHATML)


def qwen2_5_vl() -> Parts:
    tokenizer = _qwen_tokenizer()
    pixels = {"shortest_edge": 28 * 28, "longest_edge": 28 * 28 * 16}
    processor = hf.Qwen2_5_VLProcessor(
        image_processor("Qwen2VLImageProcessor", size=pixels),
        tokenizer,
        hf.Qwen2VLVideoProcessor(),
        chat_template=_qwen_template(),
    )
    tower = {"depth": 2, "hidden_size": 64, "intermediate_size": 96, "num_heads": 2, "out_hidden_size": 64}
    rope = {"rope_type": "default", "mrope_section": [4, 6, 6], "rope_theta": 1e6}
    config = hf.Qwen2_5_VLConfig(
        vision_config={**tower, "fullatt_block_indexes": [1], "window_size": 56},
        text_config={**TEXT, **SHARP, **text_ids(tokenizer), "rope_parameters": rope},
        **_qwen_ids(tokenizer),
    )
    return config, processor


def qwen3_vl() -> Parts:
    tokenizer = _qwen_tokenizer()
    pixels = {"shortest_edge": SIDE * SIDE, "longest_edge": SIDE * SIDE * 16}
    means = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    processor = hf.Qwen3VLProcessor(
        image_processor("Qwen2VLImageProcessor", size=pixels, patch_size=PATCH, **means),
        tokenizer,
        hf.Qwen3VLVideoProcessor(),
        chat_template=_qwen_template(),
    )
    tower = {"depth": 2, "hidden_size": 64, "intermediate_size": 96, "num_heads": 2, "out_hidden_size": 64}
    rope = {"rope_type": "default", "mrope_section": [6, 5, 5], "mrope_interleaved": True, "rope_theta": 5e6}
    config = hf.Qwen3VLConfig(
        vision_config={**tower, "num_position_embeddings": 64, "deepstack_visual_indexes": [0]},
        text_config={**TEXT, **SHARP, **text_ids(tokenizer), "head_dim": 32, "rope_parameters": rope},
        tie_word_embeddings=False,
        **_qwen_ids(tokenizer),
    )
    return config, processor


def gemma3() -> Parts:
    marks = {"boi_token": "<start_of_image>", "eoi_token": "<end_of_image>", "image_token": "<image_soft_token>"}
    tokenizer = make_tokenizer("<start_of_turn>", "<end_of_turn>", pad="<pad>", start="<bos>", end="<end_of_turn>", **marks)
    tokenizer.add_tokens(["\n\n", "\n\n\n", "\n\n\n\n"])  # which vLLM looks for around an image
    turn = ("<start_of_turn>{role}\n", "<end_of_turn>\n")
    template = chat_template("<start_of_image>", *turn, start="<bos>", assistant="model")
    size = {"size": square(), "image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    processor = hf.Gemma3Processor(
        image_processor("Gemma3ImageProcessor", **size), tokenizer, chat_template=template, image_seq_length=4
    )
    layers = {"head_dim": 32, "sliding_window": 64, "query_pre_attn_scalar": 32}
    layers |= {"layer_types": ["sliding_attention", "full_attention"]}
    text = {**TEXT, **SHARP, **text_ids(tokenizer), **layers, "tie_word_embeddings": True}
    config = hf.Gemma3Config(
        vision_config=siglip(patch_size=8),
        text_config=hf.Gemma3TextConfig(**text),
        mm_tokens_per_image=4,
        boi_token_index=tokenizer.boi_token_id,
        eoi_token_index=tokenizer.eoi_token_id,
        image_token_index=tokenizer.image_token_id,
    )
    return config, processor


def _idefics(prefix: str) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    """What SmolVLM and Idefics3 have in common: a tokenizer, what a processor takes, and what a configuration takes."""
    places = [f"<row_{row + 1}_col_{column + 1}>" for row in range(6) for column in range(6)]
    control = ("<fake_token_around_image>", "<image>", "<end_of_utterance>", "<global-img>", *places)
    tokenizer = make_tokenizer(*control, pad="<pad>", start="<|im_start|>", end="<end_of_utterance>")
    images = image_processor(
        f"{prefix}ImageProcessor", size={"longest_edge": 2 * SIDE}, max_image_size={"longest_edge": SIDE}, do_image_splitting=True
    )
    template = chat_template("<image>", "{role}:", "<end_of_utterance>\n", start="<|im_start|>")
    settings = {
        "vision_config": {**TOWER, "image_size": SIDE, "patch_size": 8},
        "text_config": hf.LlamaConfig(**TEXT, **SHARP, **text_ids(tokenizer)),
        "scale_factor": 2,
        "image_token_id": tokenizer.convert_tokens_to_ids("<image>"),
        "pad_token_id": tokenizer.pad_token_id,
        "tie_word_embeddings": False,
    }
    return tokenizer, {"image_processor": images, "image_seq_len": 4, "chat_template": template}, settings


def idefics3() -> Parts:
    tokenizer, given, settings = _idefics("Idefics3")
    return hf.Idefics3Config(**settings), hf.Idefics3Processor(tokenizer=tokenizer, **given)


def smolvlm() -> Parts:
    tokenizer, given, settings = _idefics("SmolVLM")
    sizes = {"size": {"longest_edge": SIDE}, "max_image_size": {"longest_edge": SIDE}}
    video = hf.SmolVLMVideoProcessor(**sizes)
    return hf.SmolVLMConfig(**settings), hf.SmolVLMProcessor(tokenizer=tokenizer, video_processor=video, **given)


def llava_onevision() -> Parts:
    tokenizer = make_tokenizer("<|im_start|>", "<|im_end|>", "<image>", "<video>", pad="<|endoftext|>", end="<|im_end|>")
    grid = [[SIDE, SIDE], [SIDE, 2 * SIDE], [2 * SIDE, SIDE], [2 * SIDE, 2 * SIDE]]
    template = (  # as published: it asks for a reply in another way than it starts one
        "{% for message in messages %}{{ '<|im_start|>' + message['role'] + ' ' }}"
        "{% for block in message['content'] | selectattr('type', 'equalto', 'image') %}{{ '<image>' }}{% endfor %}"
        "{% for block in message['content'] | selectattr('type', 'equalto', 'text') %}{{ '\n' + block['text'] }}{% endfor %}"
        "{{ '<|im_end|>' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
    )
    processor = hf.LlavaOnevisionProcessor(
        image_processor("LlavaOnevisionImageProcessor", size=square(), image_grid_pinpoints=grid),
        tokenizer,
        hf.LlavaOnevisionVideoProcessor(size=square()),
        num_image_tokens=(SIDE // PATCH) ** 2,
        vision_feature_select_strategy="full",
        chat_template=template,
    )
    config = hf.LlavaOnevisionConfig(
        vision_config=siglip(patch_size=PATCH),
        text_config=hf.Qwen2Config(**TEXT, **SHARP, **text_ids(tokenizer)),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        video_token_index=tokenizer.convert_tokens_to_ids("<video>"),
        image_grid_pinpoints=grid,
    )
    return config, processor


def internvl() -> Parts:
    marks = {"start_image_token": "<img>", "end_image_token": "</img>", "context_image_token": "<IMG_CONTEXT>"}
    tokenizer = make_tokenizer(
        "<|im_start|>", "<|im_end|>", pad="<|endoftext|>", end="<|im_end|>", video_token="<video>", **marks
    )
    processor = hf.InternVLProcessor(
        image_processor("GotOcr2ImageProcessor", size=square(), crop_to_patches=True, min_patches=1, max_patches=4),
        tokenizer,
        hf.InternVLVideoProcessor(size=square()),
        image_seq_length=4,
        chat_template=chat_template("<IMG_CONTEXT>", *CHATML),
    )
    config = hf.InternVLConfig(
        vision_config={**TOWER, "image_size": [SIDE, SIDE], "patch_size": [8, 8]},
        text_config=hf.Qwen2Config(**TEXT, **SHARP, **text_ids(tokenizer)),
        image_token_id=tokenizer.context_image_token_id,
        image_seq_length=4,
        tie_word_embeddings=False,
    )
    return config, processor


def mistral3() -> Parts:
    control = ("[INST]", "[/INST]", "[IMG]", "[IMG_BREAK]", "[IMG_END]")
    tokenizer = make_tokenizer(*control, pad="<pad>", start="<s>", end="</s>")
    template = (
        "{{ '<s>' }}{% for message in messages %}{{ '[INST]' if message['role'] == 'user' else '' }}"
        "{% for block in message['content'] %}{{ '[IMG]' if block['type'] == 'image' else block['text'] }}{% endfor %}"
        "{{ '[/INST]' if message['role'] == 'user' else '</s>' }}{% endfor %}"
    )
    processor = hf.PixtralProcessor(
        image_processor("PixtralImageProcessor", size={"longest_edge": 4 * SIDE}, patch_size=8),
        tokenizer,
        patch_size=8,
        spatial_merge_size=2,
        chat_template=template,
    )
    config = hf.Mistral3Config(
        vision_config=hf.PixtralVisionConfig(**TOWER, image_size=4 * SIDE, patch_size=8),
        text_config=hf.MistralConfig(**TEXT, **SHARP, **text_ids(tokenizer), head_dim=32, sliding_window=None),
        image_token_index=tokenizer.convert_tokens_to_ids("[IMG]"),
        spatial_merge_size=2,
        tie_word_embeddings=False,
    )
    return config, processor


FAMILIES: dict[str, Callable[[], Parts]] = {
    "llava": llava,
    "mllama": mllama,
    "qwen2.5-vl": qwen2_5_vl,
    "qwen3-vl": qwen3_vl,
    "gemma3": gemma3,
    "smolvlm": smolvlm,
    "idefics3": idefics3,
    "llava-onevision": llava_onevision,
    "internvl": internvl,
    "mistral3": mistral3,
}


def _fill_zeros(model: torch.nn.Module) -> None:
    """Give random values to gates and projections that start at zero (Llama's and Gemma's): they would hide every image.

    Where one matrix reads and writes words, it is made small, or each word would only repeat itself.
    """
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if not name.endswith("bias") and not weight.any():
                weight.normal_(std=0.5)
        if model.config.get_text_config().tie_word_embeddings:
            model.get_input_embeddings().weight.mul_(0.3)


def _name_as_published(weights: Path) -> None:
    """Give a tower's weights the names that they have on the hub, and that transformers keeps where it has found them."""
    named = {name.replace("vision_tower.", "vision_tower.vision_model."): value for name, value in load_file(weights).items()}
    save_file(named, weights, metadata={"format": "pt"})


def save(out: Path, family: str = "llava", seed: int = 0) -> None:
    """Write the model folder."""
    config, processor = FAMILIES[family]()
    torch.manual_seed(seed)
    model = hf.AutoModelForImageTextToText.from_config(config)
    _fill_zeros(model)
    tokenizer = processor.tokenizer
    model.generation_config.update(eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id)
    model.save_pretrained(out)
    if config.vision_config.model_type in ("clip_vision_model", "siglip_vision_model"):
        _name_as_published(out / "model.safetensors")
    processor.save_pretrained(out)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Make a tiny vision-language model with random weights.")
    parser.add_argument("out", type=Path)
    parser.add_argument("--family", choices=FAMILIES, default="llava")
    given = parser.parse_args()
    save(given.out, given.family)
