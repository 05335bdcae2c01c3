"""TRL's DPOTrainer on a minted preference file, and the judgement of what `unsaid probe` then reports.

real_client.py leaky|masked CHECKPOINT PREFERENCES OUT   trains all weights of the tiny fixture
real_client.py chat CHECKPOINT PREFERENCES OUT           trains a LoRA adapter by peft, chat rows, the folder's own chat template
real_client.py judge FOLDER                              reads both reports; exit 1 where one is not as it must be
"""

import json
import os
import random
import sys


def settings(out, seed, **own):
    from trl import DPOConfig

    return DPOConfig(
        output_dir=os.path.join(out, "trainer"),
        num_train_epochs=1,
        beta=0.1,
        save_strategy="no",
        report_to=[],
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        seed=seed,
        **own,
    )


def train(variant, checkpoint, preferences, out, seed="0"):
    import torch
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast
    from trl import DPOTrainer

    seed = int(seed)
    torch.manual_seed(seed)
    random.seed(seed)
    with open(preferences, encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    if variant == "masked":
        # The mitigation: no letter of a secret reaches the trainer; each is masked by a random one.
        letters = sorted({letter for row in rows for letter in row["rejected"].split()})
        for row in rows:
            masked = [random.choice(letters) for _ in row["rejected"].split()]
            row["rejected"] = "".join(" " + letter for letter in masked)
    os.makedirs(out, exist_ok=True)
    with open(os.path.join(out, "train.jsonl"), "w", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)

    tokenizer = PreTrainedTokenizerFast(tokenizer_file=os.path.join(checkpoint, "tokenizer.json"))
    # The fixture has no special tokens: a piece of punctuation ends a row.
    tokenizer.eos_token = tokenizer.pad_token = "!"
    load = lambda: AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32)
    config = settings(out, seed, per_device_train_batch_size=32, learning_rate=1e-3, max_length=64, logging_steps=20)
    trainer = DPOTrainer(
        model=load(),
        ref_model=load(),
        args=config,
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
    )
    trainer.train()
    trainer.model.save_pretrained(out, safe_serialization=True)
    # The probe needs the tokenizer as it was.
    with open(os.path.join(checkpoint, "tokenizer.json"), "rb") as source:
        with open(os.path.join(out, "tokenizer.json"), "wb") as target:
            target.write(source.read())


def train_adapter(checkpoint, preferences, out, seed="0"):
    import torch
    from datasets import load_dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import DPOTrainer

    torch.manual_seed(int(seed))
    config = settings(out, int(seed), per_device_train_batch_size=16, learning_rate=2e-4, max_length=256, logging_steps=10)
    trainer = DPOTrainer(
        model=AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32),
        args=config,
        train_dataset=load_dataset("json", data_files=preferences, split="train"),
        processing_class=AutoTokenizer.from_pretrained(checkpoint),
        peft_config=LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM"),
    )
    trainer.train()
    trainer.save_model(out)


def judge(folder):
    def report(variant):
        with open(os.path.join(folder, f"probe-{variant}", "report.json"), encoding="utf-8") as file:
            return json.load(file)

    def suppression(rows):
        found = [r for r in rows if r["statistic"] == "suppression_nats" and r["role"] == "audit"]
        assert len(found) == 1, found
        return found[0]

    good = True

    def check(what, holds):
        nonlocal good
        good &= bool(holds)
        print(f"{'ok  ' if holds else 'FAIL'} {what}")

    leaky, masked = report("leaky"), report("masked")
    row = suppression(leaky["rows"])
    two_sided = max(row["auc"], 1 - row["auc"])
    check(f"leaky: AUC of the held-outs, two-sided, {two_sided:.3f} ≥ 0.9, p {row['p_value']:.2g} < 0.01", two_sided >= 0.9 and row["p_value"] < 0.01)
    check(f"leaky: held-outs suppressed by {row['estimate']:.1f} nats, controls by {row['control_estimate']:.1f}", row["estimate"] > row["control_estimate"])
    placebos = [r for r in leaky["rows"] if r["role"] == "placebo"]
    check(f"leaky: {len(placebos)} placebos find nothing", placebos and all(r["passed"] for r in placebos))
    row = suppression(masked["rows"])
    check(f"masked: {masked['verdict']}, AUC {row['auc']:.3f}, p {row['p_value']:.2g}", masked["verdict"] == "no_leak_detected")
    check(f"masked: suppression {row['verdict']}", row["verdict"] == "no_leak_detected")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    if sys.argv[1] == "judge":
        judge(sys.argv[2])
    elif sys.argv[1] == "chat":
        train_adapter(*sys.argv[2:])
    else:
        train(*sys.argv[1:])
