"""Which settings may differ when a training goes on: a checkpoint keeps them all, and is compared with the new ones."""

from __future__ import annotations

FREE_KEYS = frozenset(
    {
        "resume",
        "results_dir",
        "output",
        "overwrite",
        "weights",
        "pairs",
        "device",
        "num_workers",
        "checkpoint_minutes",
        "process_timeout",
        "log_every",
        "sample_every",
        "epoch_steps",
        "track",
        "best_by",
        "content_weights",
        "on_nan",
        "gradient_checkpointing",
        "compile",
    }
)
"""Settings that change no weight (`on_nan`: none before the step that stopped the run)."""

PLACES = frozenset({"data", "val_data", "masks", "val_masks"})
"""Where photos and masks are: a run may go on with the same ones in another folder."""

LENGTH_KEYS = frozenset({"epochs", "steps", "max_steps", "max_minutes", "patience"})
RATE_KEYS = frozenset({"learning_rate", "learning_rate_g", "learning_rate_d", "finetune_learning_rate_g"})
"""Length and learning rates: an unfinished run, or a named checkpoint, goes on with others, and a line says so."""

BATCH_KEYS = frozenset({"batch_size", "accumulation_steps"})
"""They may change together, as long as a step sees as many photos."""
