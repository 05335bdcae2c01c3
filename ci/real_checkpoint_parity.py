"""Holds `unsaid score` against transformers on a checkpoint folder: tokens, and log-probabilities where torch is installed.

    python real_checkpoint_parity.py UNSAID FOLDER        (with transformers and jinja2, and torch where weights are compared)

Lines of this repository: a hundred of English, a hundred of code, forty in the folder's chat template, and some that tokenizers
have been known to disagree about. Ends with 1 where a token differs, or a log-probability by more than 2e-4 nats.
"""

import glob
import json
import os
import subprocess
import sys
import tempfile

import transformers

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ODD = [
    " regular a b",
    " reverse z",
    "123 45,678 0.858_587",
    "a 1/2 is ½, not ²",
    "naïve café — “quotes” 你好 🙂",
    "don't we'll I'm",
    "\t\ttabs  and   spaces  ",
    "<|im_start|>user\n<|im_end|>",
]


def some(pattern, shortest, count):
    files = sorted(glob.glob(os.path.join(ROOT, pattern)))
    lines = [line.rstrip("\n") for file in files for line in open(file, encoding="utf-8") if len(line) > shortest]
    return lines[:: len(lines) // count][:count]


def scored(unsaid, folder, lines):
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl", encoding="utf-8") as file:
        for line in lines:
            file.write(json.dumps({"text": line}) + "\n")
        file.flush()
        command = [unsaid, "score", "--model", folder, file.name]
        out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [json.loads(line) for line in out.splitlines()]


def main(unsaid, folder):
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    english, code = some("src/guide/*.md", 40, 100), some("src/stats/*.rs", 30, 100)
    chat = [
        tokenizer.apply_chat_template([{"role": "user", "content": line}], tokenize=False, add_generation_prompt=True)
        for line in english[:40]
    ]
    lines = english + code + chat + ODD
    ours = scored(unsaid, folder, lines)
    theirs = [tokenizer(line)["input_ids"] for line in lines]
    differ = [line for line, a, b in zip(lines, ours, theirs) if a["tokens"] != b]
    count = sum(len(tokens) for tokens in theirs)
    print(f"transformers {transformers.__version__}: {len(lines)} lines, {count} tokens, {len(differ)} lines read differently", differ[:3])
    worst = 0.0
    try:
        import torch
    except ImportError:
        print("no torch here: log-probabilities were not compared")
    else:
        model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        with torch.no_grad():
            for row in ours:
                ids = torch.tensor([row["tokens"]])
                logprobs = torch.log_softmax(model(ids).logits[0, :-1].double(), -1)
                expected = logprobs.gather(-1, ids[0, 1:, None])[:, 0].tolist()
                worst = max([worst] + [abs(a - b) for a, b in zip(row["logprobs"], expected)])
        print(f"largest difference of a token's log-probability: {worst:.1e} nats")
    sys.exit(1 if differ or worst > 2e-4 else 0)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
