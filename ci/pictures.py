"""Draws the README's pictures. Called by ci/pictures: pictures.py UNSAID FOLDER OUT; FOLDER holds runs/quick."""

import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

COMMAND = ["report", "runs/quick"]
PLOT = "runs/quick/plots/histogram-low-logit-suppression-nats-phase-3.svg"
COLUMNS = 80
LARGEST = 60_000
# A dark window, which stands out from a light page and from a dark one.
THEME = TerminalTheme(
    (22, 27, 34),
    (225, 228, 232),
    [(139, 148, 158), (255, 123, 114), (86, 211, 100), (227, 179, 65), (121, 192, 255), (210, 168, 255), (86, 212, 221), (225, 228, 232)],
)
# rich's own format loads a font from the network; this one takes the reader's, at the size whose columns are 12.2 wide.
WINDOW = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-label="{label}">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: 20.3px; }}
.{unique_id}-title {{ font-family: sans-serif; font-size: 18px; font-weight: bold; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal"><rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/></clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""
PAPER = '<rect class="paper" x="-20" y="-20" width="{width}" height="{height}" rx="16" fill="#FFFFFF"/>'


def printed(program, folder):
    """What the command prints on a terminal of 80 columns, with its colours."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, COLUMNS, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    environment["TERM"] = "xterm-256color"
    child = subprocess.Popen([program, *COMMAND], cwd=folder, stdout=theirs, env=environment)
    os.close(theirs)
    parts = []
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # Linux: the other side is closed.
            break
        if not part:
            break
        parts.append(part)
    if child.wait() != 0:
        raise SystemExit(f"unsaid ended with {child.returncode}")
    return b"".join(parts).decode().replace("\r", "").splitlines()


def telling(lines):
    """The summary down to the end of its table, and the gate's last line."""
    plain = [Text.from_ansi(line).plain for line in lines]
    end = next(number for number, line in enumerate(plain) if line.startswith("╰"))
    last = max(number for number, line in enumerate(plain) if line.strip())
    if "exit code" not in plain[last]:
        raise SystemExit(f"the report does not end with its gate: {plain[last]}")
    return [*lines[: end + 1], f"\x1b[90m⋮ {last - end - 1} more lines\x1b[0m", lines[last]]


def window(lines):
    """The lines in a picture of a terminal."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    command = "unsaid " + " ".join(COMMAND)
    console.print(Text.from_ansi(f"\x1b[1m$ {command}\x1b[0m"))
    for line in lines:
        console.print(Text.from_ansi(line), soft_wrap=True)
    # The label is ours, every other brace is rich's to fill.
    label = f"A terminal: what {command} prints"
    return console.export_svg(title=command, theme=THEME, code_format=WINDOW.replace("{label}", label), unique_id="run")


def card(plot):
    """A plot of the run on a background of its own: it follows the reader's colour scheme, which the page may not."""
    sizes = re.search(r'width="(\d+)" height="(\d+)" class="plot" viewBox="0 0 (\d+) (\d+)"', plot)
    if not sizes:
        raise SystemExit("the plot's size is not where it was")
    # As wide as before, with a margin of 20 on each side of a drawing twice as fine.
    shown = [int(size) + 20 for size in sizes.group(1, 2)]
    drawn = [int(size) + 40 for size in sizes.group(3, 4)]
    paper = PAPER.format(width=drawn[0], height=drawn[1])
    for old, new in [
        (sizes[0], f'width="{shown[0]}" height="{shown[1]}" class="plot" viewBox="-20 -20 {drawn[0]} {drawn[1]}"'),
        (".plot { background: transparent; }\n", ""),
        ("prefers-color-scheme: dark) {\n", "prefers-color-scheme: dark) {\n  .plot .paper { fill: #161b22; }\n"),
        ("</style>\n", f"</style>\n{paper}\n"),
    ]:
        if plot.count(old) != 1:
            raise SystemExit(f"the plot does not hold {old!r} once")
        plot = plot.replace(old, new)
    return plot


def main(program, folder, out):
    folder, out = Path(folder), Path(out)
    pictures = {
        "run.svg": window(telling(printed(program, folder))),
        "held-out-against-control.svg": card((folder / PLOT).read_text(encoding="utf-8")),
    }
    for name, svg in pictures.items():
        size = len(svg.encode())
        if size > LARGEST:
            raise SystemExit(f"{name} has {size} bytes, {LARGEST} at most")
        (out / name).write_text(svg, encoding="utf-8")
        print(f"{out / name}: {size} bytes")


if __name__ == "__main__":
    main(*sys.argv[1:])
