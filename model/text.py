"""The text tower: any AutoModel, all but its last layers frozen, a note as the mean of its [CLS].

A note is cut into chunks of at most 256 tokens, special tokens included. What the frozen layers
make of a chunk never changes in training: `prefix` gives it, so that it may be kept on disk.
A Longformer whose window holds the chunks goes the short way of model/longformer.py.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModel, AutoTokenizer
from transformers.utils.logging import disable_progress_bar

from model.longformer import fits, through

CHUNK = 256


class TextModelError(Exception):
    """The text model's folder or name, what is wrong with it, and what to do."""


class TextEncoder(nn.Module):
    """Chunks of token ids -> (chunks, width) [CLS]. Never in training mode: no dropout, so that a
    second forward pass gives the same numbers. On CUDA its products are in bfloat16; what goes in
    and comes out is as precise as the weights."""

    def __init__(self, trunk: nn.Module, trainable_layers: int) -> None:
        super().__init__()
        self.trunk = trunk.requires_grad_(False)
        owner, name, layers = _layers_of(trunk)
        self._slot = (owner, name)  # in a tuple, or torch would register the owner twice
        if not 1 <= trainable_layers <= len(layers):
            raise TextModelError(
                f"trainable_layers is {trainable_layers}, and the text model has {len(layers)}; "
                f"choose 1 to {len(layers)}"
            )
        self._all = list(layers)
        self._top = self._all[-trainable_layers:]
        for layer in self._top:
            layer.requires_grad_(True)
        self.width: int = trunk.config.hidden_size  # type: ignore[assignment,union-attr]
        self.pad: int = trunk.config.pad_token_id or 0  # type: ignore[union-attr,assignment]
        self.eval()

    def train(self, mode: bool = True) -> "TextEncoder":
        """Stays in evaluation mode."""
        return super().train(False)

    def forward(self, chunks: Sequence[Tensor], prefixes: Sequence[Tensor] | None = None) -> Tensor:
        """[CLS] of each chunk; `prefixes` as `prefix` gave them, else they are made here."""
        states = self.prefix(chunks) if prefixes is None else prefixes
        given = nn.utils.rnn.pad_sequence(list(states), batch_first=True)
        inputs = self._inputs(chunks)
        with self._products():
            if fits(self.trunk, given.shape[1]):
                left = through(self._top, given, inputs["attention_mask"].bool())
            else:
                left = self._resumed(inputs, given)
        return left[:, 0].to(given.dtype)

    @torch.no_grad()
    def prefix(self, chunks: Sequence[Tensor]) -> list[Tensor]:
        """What the first trainable layer receives: (tokens, width) for each chunk."""
        inputs = self._inputs(chunks)
        with self._products():
            if fits(self.trunk, inputs["input_ids"].shape[1]):
                embedded = self.trunk.embeddings(inputs["input_ids"])  # type: ignore[operator]
                frozen = self._all[: -len(self._top)]
                states = through(frozen, embedded, inputs["attention_mask"].bool())
            else:
                states = self._received(inputs)
        states = states.to(next(self.parameters()).dtype)
        return [state[: len(chunk)] for state, chunk in zip(states, chunks, strict=True)]

    def _products(self) -> torch.autocast:
        kind = next(self.parameters()).device.type
        return torch.autocast(kind, torch.bfloat16, enabled=kind == "cuda")

    def _received(self, inputs: dict[str, Tensor]) -> Tensor:
        """Any model is run up to its first trainable layer."""
        caught: list[Tensor] = []

        def catch(_: nn.Module, args: Any, kwargs: Any) -> None:
            caught.append(args[0] if args else kwargs["hidden_states"])
            raise _ReachedError

        with suppress(_ReachedError), _hooked(self._top[0], catch):
            self.trunk(**inputs)
        return caught[0]

    def _resumed(self, inputs: dict[str, Tensor], given: Tensor) -> Tensor:
        """Any model is run with its trainable layers only, the first of which receives `given`."""

        def put_in(_: nn.Module, args: Any, kwargs: Any) -> Any:
            slot = args[0] if args else kwargs["hidden_states"]
            filled = slot.detach().clone()
            filled[:, : given.shape[1]] = given
            return (
                ((filled, *args[1:]), kwargs)
                if args
                else (args, kwargs | {"hidden_states": filled})
            )

        with self._only(self._top), _hooked(self._top[0], put_in):
            output: Tensor = self.trunk(**inputs).last_hidden_state
        return output

    def _inputs(self, chunks: Sequence[Tensor]) -> dict[str, Tensor]:
        ids = nn.utils.rnn.pad_sequence(list(chunks), batch_first=True, padding_value=self.pad)
        lengths = torch.tensor([len(chunk) for chunk in chunks], device=ids.device)
        seen = torch.arange(ids.shape[1], device=ids.device) < lengths.unsqueeze(1)
        inputs = {"input_ids": ids, "attention_mask": seen.long()}
        if hasattr(self.trunk.config, "attention_window"):  # Longformer: [CLS] sees the whole chunk
            inputs["global_attention_mask"] = torch.zeros_like(ids)
            inputs["global_attention_mask"][:, 0] = 1
        return inputs

    @contextmanager
    def _only(self, layers: Sequence[nn.Module]) -> Iterator[None]:
        owner, name = self._slot
        setattr(owner, name, nn.ModuleList(layers))
        try:
            yield
        finally:
            setattr(owner, name, nn.ModuleList(self._all))


class _ReachedError(Exception):
    """The frozen layers are done."""


def load_text_model(name: str, trainable_layers: int) -> tuple[TextEncoder, Any]:
    """Encoder and tokenizer by name or local folder. Raises TextModelError."""
    disable_progress_bar()  # type: ignore[no-untyped-call]  # ours is shown
    try:
        tokenizer = AutoTokenizer.from_pretrained(name)
        trunk = AutoModel.from_pretrained(name, dtype=torch.float32)
    except (OSError, ValueError, KeyError) as error:
        raise TextModelError(
            f"{name}: no text model with its tokenizer can be loaded from here; "
            "name a local folder with config.json, weights and tokenizer, or a model "
            "that was downloaded before"
        ) from error
    return TextEncoder(trunk, trainable_layers), tokenizer


def chunk(tokenizer: Any, text: str, length: int = CHUNK, most: int | None = None) -> list[Tensor]:
    """Token ids of consecutive chunks, special tokens included; at least one, at most `most`."""
    cut = tokenizer(
        text,
        truncation=True,
        max_length=length,
        stride=0,
        return_overflowing_tokens=True,
        verbose=False,
    )
    return [torch.tensor(ids) for ids in cut["input_ids"][:most]]


def pack(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Chunks of like length together, padded size at most `budget` tokens a pack (or one chunk)."""
    packs: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda each: (-lengths[each], each)):
        if packs and lengths[packs[-1][0]] * (len(packs[-1]) + 1) <= budget:
            packs[-1].append(index)
        else:
            packs.append([index])
    return packs


@contextmanager
def _hooked(layer: nn.Module, hook: Any) -> Iterator[None]:
    handle = layer.register_forward_pre_hook(hook, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()


def _layers_of(trunk: nn.Module) -> tuple[nn.Module, str, nn.ModuleList]:
    """The stack of layers, and the attribute that holds it."""
    count = trunk.config.num_hidden_layers  # type: ignore[union-attr]
    for module in trunk.modules():
        for name, child in module.named_children():
            if isinstance(child, nn.ModuleList) and len(child) == count:
                return module, name, child
    raise TextModelError("the text model has no stack of layers that could be frozen in part")
