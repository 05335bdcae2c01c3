"""Looks at a run's report.html in headless Chromium. Called by ci/look: look.py RUN FOLDER."""

import json
import os
import re
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

WIDTHS = (1280, 390)
SCHEMES = ("light", "dark")
TIERS = ("extraction", "partial", "recognition")
# Lines of the leakage table's heads, and what report.json calls what stands under them.
SHOWN = {
    "held-out": "estimate",
    "AUC": "auc",
    "TPR, high": "tpr_at_1pct_fpr",
    "TPR, low": "tpr_low_at_1pct_fpr",
    "p": "p_value",
    "adj. p": "p_adjusted",
    "min. detectable": "min_detectable",
    "to rule out": "smallest_effect",
}
# As the reader sees them: the lines of each head and cell of the table whose caption begins so.
TABLE = """caption => {
  const table = [...document.querySelectorAll('table')].find(t => t.caption.innerText.startsWith(caption));
  const lines = cell => cell.innerText.split('\\n').map(line => line.replaceAll('\\u00a0', ' ').trim());
  return { heads: [...table.tHead.rows[0].cells].map(lines),
           rows: [...table.tBodies[0].rows].map(row => [...row.cells].map(lines)) };
}"""
# Whatever is wider than the window and has no box of its own to scroll in.
SIDEWAYS = """() => {
  const wide = [...document.querySelectorAll('main *')].filter(e =>
    e.getBoundingClientRect().right > innerWidth + 0.5 && !e.closest('.scroll, pre, svg'));
  return [document.documentElement.scrollWidth - document.documentElement.clientWidth,
          wide.slice(0, 3).map(e => e.outerHTML.slice(0, 120))];
}"""


def shows(text, value):
    """Whether a shown number is the JSON value, to the last digit that is shown."""
    if value is None:
        return text == "n/a"
    bound = text.startswith("≤ ")
    scale = 0.01 if text.endswith(" %") else 1.0
    text = text.removeprefix("≤ ").removesuffix(" %").lstrip("+").replace("−", "-")
    if not re.fullmatch(r"-?\d+(\.\d+)?(e-?\d+)?", text):
        return False
    digits, _, exponent = text.partition("e")
    last = scale * 10.0 ** (int(exponent or 0) - len(digits.partition(".")[2]))
    distance = float(text) * scale - value
    # A bound is rounded up.
    return -1e-12 <= distance <= 1.001 * last if bound else abs(distance) <= 0.501 * last


def under(table, row, head):
    """The line of a row's cell that stands under this line of the head."""
    for lines, cell in zip(table["heads"], row):
        if head in lines:
            place = lines.index(head)
            return cell[place] if place < len(cell) else "n/a"
    raise SystemExit(f"no head {head}")


def compare(page, report, wrong):
    """Holds the leakage table of the page as rendered against the report. Gives how many numbers were compared."""
    rows = [r for r in report["rows"] if r["role"] == "audit" and r["scope"] == "checkpoint"]
    rows.sort(key=lambda row: TIERS.index(row["tier"]))
    table = page.evaluate(TABLE, "Audit rows")
    if len(table["rows"]) != len(rows):
        wrong.append(f"{len(table['rows'])} rows on the page, {len(rows)} in the report")
    compared = 0
    for cells, row in zip(table["rows"], rows):
        pairs = [(under(table, cells, head), row[key], head) for head, key in SHOWN.items()]
        if row["control"] is not None:
            pairs.append((under(table, cells, "control"), row["control_estimate"], "control"))
        if row["ci_of"] == "auc":
            low, _, high = under(table, cells, "95 % int.").partition("–")
            pairs += [(low, row["ci_low"], "low end"), (high, row["ci_high"], "high end")]
        for text, value, head in pairs:
            compared += 1
            if not shows(text, value):
                wrong.append(f"{row['probe']} {row['statistic']}, {head}: {text!r} for {value}")
        verdict = under(table, cells, "verdict").lower().replace(" ", "_")
        if verdict != row["verdict"]:
            wrong.append(f"{row['statistic']}: verdict {verdict!r} for {row['verdict']!r}")
    return compared


def look(browser, run, folder, width, scheme):
    """One look: what is wrong, and how many numbers were compared."""
    wrong = []
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    address = (run / "report.html").as_uri()
    page.on("console", lambda message: wrong.append(f"console: {message.type}: {message.text}"))
    page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
    page.on("request", lambda r: r.url == address or wrong.append(f"request: {r.url[:200]}"))
    page.goto(address)
    page.wait_for_load_state("networkidle")
    for details in page.query_selector_all("details"):
        details.evaluate("d => d.open = true")
    beyond, elements = page.evaluate(SIDEWAYS)
    if beyond > 0 or elements:
        wrong.append(f"{beyond} pixels sideways: {elements}")
    report = json.loads((run / "report.json").read_text(encoding="utf-8"))
    compared = compare(page, report, wrong)
    for details in page.query_selector_all("details"):
        details.evaluate("d => d.open = false")
    name = f"{width}-{scheme}"
    page.screenshot(path=folder / f"{name}.png", full_page=True)
    page.screenshot(path=folder / f"{name}-top.png")
    if width == WIDTHS[0] and scheme == "light":
        page.pdf(path=folder / "print.pdf", format="A4")
    context.close()
    print(f"{name}: {compared} numbers compared, {len(wrong)} wrong")
    return [f"{name}: {line}" for line in wrong], compared


def main():
    run, folder = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    wrong, compared = [], 0
    with sync_playwright() as playwright:
        path = os.environ.get("CHROMIUM") or None
        # A sandbox of its own is not there in containers; the page is a local file that may load nothing.
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        print("Chromium", browser.version)
        for width in WIDTHS:
            for scheme in SCHEMES:
                found, count = look(browser, run, folder, width, scheme)
                wrong += found
                compared += count
        browser.close()
    for line in wrong:
        print(line)
    if not compared:
        print("no number was compared")
    print(f"screenshots in {folder}")
    sys.exit(1 if wrong or not compared else 0)


if __name__ == "__main__":
    main()
