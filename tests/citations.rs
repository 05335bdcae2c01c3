//! Every citation of the guide names a page of `src/guide/` and a heading of that page.
//!
//! A citation is `guide: PAGE, "HEADING"`, in comments, docs, specs and scripts alike; a line may break within it. Between pages
//! it is `[PAGE], "HEADING"`. Links to the pages' files and paths of the form `guide::PAGE` are checked too.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

/// Headings by page.
type Pages = BTreeMap<String, Vec<String>>;

/// A page is read in one sitting.
const MOST_LINES: usize = 300;

/// Pages that were once documents of their own, cited by file name.
const FORMER: [&str; 1] = ["facts"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Lines outside fenced code.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut fenced = false;
    text.lines().filter(move |line| {
        let is_fence = line.starts_with("```");
        fenced ^= is_fence;
        !fenced && !is_fence
    })
}

fn headings(text: &str) -> Vec<String> {
    let marked = prose(text).filter(|line| line.starts_with('#'));
    marked
        .map(|line| line.trim_start_matches('#').trim().to_owned())
        .collect()
}

fn pages() -> Result<Pages, Box<dyn Error>> {
    let mut pages = Pages::new();
    for path in files_under(&root().join("src/guide"))? {
        if let (Some("md"), Some(name)) = (
            path.extension().and_then(|e| e.to_str()),
            path.file_stem().and_then(|s| s.to_str()),
        ) {
            pages.insert(name.to_owned(), headings(&fs::read_to_string(&path)?));
        }
    }
    Ok(pages)
}

fn files_under(folder: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(files_under(&path)?);
        } else {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// A text as one line, without what marks its comments, so that a citation may go over a line's end.
fn flat(text: &str) -> String {
    let bare = |line: &str| {
        let line = line.trim();
        let marks = ["//!", "///", "//", "#"];
        let rest = marks.iter().find_map(|mark| line.strip_prefix(mark));
        rest.unwrap_or(line).trim().to_owned()
    };
    text.lines().map(bare).collect::<Vec<_>>().join(" ")
}

/// What stands before and after every `what`.
fn around<'t>(text: &'t str, what: &str) -> Vec<(&'t str, &'t str)> {
    text.match_indices(what)
        .map(|(at, _)| (&text[..at], &text[at + what.len()..]))
        .collect()
}

/// The name at the beginning of a text: small letters, digits and `_`.
fn name(text: &str) -> &str {
    let end = text.find(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'));
    &text[..end.unwrap_or(text.len())]
}

fn begins_a_word(before: &str) -> bool {
    !before.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '-')
}

/// A heading as the anchor that rustdoc and GitHub make of it.
fn anchor(heading: &str) -> String {
    let kept = heading.to_lowercase();
    kept.chars()
        .filter(|c| c.is_alphanumeric() || *c == ' ' || *c == '-' || *c == '_')
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

/// Why `page, "HEADING"…` is no citation.
fn wrong(page: &str, rest: &str, pages: &Pages) -> Option<String> {
    let Some(headings) = pages.get(page) else {
        return Some(format!("the guide has no page `{page}`"));
    };
    let quoted = rest
        .strip_prefix(", \"")
        .and_then(|rest| rest.split_once('"'));
    match quoted {
        None => Some(format!("write the heading too: guide: {page}, \"HEADING\"")),
        Some((heading, _)) if headings.iter().any(|h| h == heading) => None,
        Some((heading, _)) => Some(format!("`{page}` has no heading \"{heading}\"")),
    }
}

/// What is wrong with the citations of one file, a line each.
fn faults(path: &str, text: &str, pages: &Pages) -> Vec<String> {
    let text = flat(text);
    let is_page = path.starts_with("src/guide/");
    let mut faults = Vec::new();
    for mark in ["guide: ", "Guide: "] {
        for (before, after) in around(&text, mark) {
            let page = name(after);
            if begins_a_word(before) && !page.is_empty() {
                faults.extend(wrong(page, &after[page.len()..], pages));
            }
        }
    }
    for (_, after) in around(&text, "guide::") {
        let page = name(after);
        if !page.is_empty() && !pages.contains_key(page) {
            faults.push(format!("the guide has no page `{page}`"));
        }
    }
    for (_, after) in around(&text, "guide/") {
        let page = name(after);
        let Some(rest) = after[page.len()..].strip_prefix(".md") else {
            continue;
        };
        let Some(headings) = pages.get(page) else {
            faults.push(format!("there is no src/guide/{page}.md"));
            continue;
        };
        let linked = rest.strip_prefix('#').map(|rest| {
            let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '-' || c == '_'));
            &rest[..end.unwrap_or(rest.len())]
        });
        if let Some(linked) = linked.filter(|l| !headings.iter().any(|h| anchor(h) == **l)) {
            faults.push(format!("src/guide/{page}.md has no anchor #{linked}"));
        }
    }
    for page in pages.keys().map(String::as_str).chain(FORMER) {
        for (before, _) in around(&text, &format!("{page}.md")) {
            let is_link = before.ends_with("guide/") || (is_page && before.ends_with("]: "));
            if begins_a_word(before) && !is_link {
                faults.push(format!(
                    "`{page}.md` is no citation: write guide: PAGE, \"HEADING\""
                ));
            }
        }
        if is_page {
            for (_, after) in around(&text, &format!("[{page}], \"")) {
                faults.extend(wrong(page, &format!(", \"{after}"), pages));
            }
        }
    }
    faults
        .into_iter()
        .map(|fault| format!("{path}: {fault}"))
        .collect()
}

/// What is wrong with a page as a page.
fn faults_of_page(page: &str, text: &str, pages: &Pages) -> Vec<String> {
    let mut faults = Vec::new();
    let mut lines = text.lines();
    let title = lines.next().unwrap_or_default();
    let opening = lines.nth(1).unwrap_or_default();
    if !title.starts_with("# ") || !opening.starts_with(char::is_alphabetic) {
        faults
            .push("begin with a title and one sentence that says what the page is for".to_owned());
    }
    let defines = |line: &&str| line.starts_with('[') && line.contains("]: ");
    let last = text
        .lines()
        .rfind(|line| !line.is_empty() && !defines(line));
    if !last.is_some_and(|line| line.starts_with("Next: [")) {
        faults.push("end with `Next: ` and links".to_owned());
    }
    let links = flat(text);
    for other in pages.keys() {
        let used = links.matches(&format!("[{other}]")).count();
        let defined = text
            .lines()
            .any(|line| line == format!("[{other}]: {other}.md"));
        if (used > 0) != defined || (defined && used == 1) {
            faults.push(format!(
                "a link to `{other}` and its definition, or neither"
            ));
        }
    }
    // A fence without a language would be compiled as Rust.
    let fences = text.lines().filter(|line| line.starts_with("```"));
    if fences.step_by(2).any(|fence| fence == "```") {
        faults.push("name the language of every code block".to_owned());
    }
    if text.lines().count() > MOST_LINES {
        faults.push(format!("at most {MOST_LINES} lines"));
    }
    faults
        .into_iter()
        .map(|fault| format!("src/guide/{page}.md: {fault}"))
        .collect()
}

/// Every file of the repository that may cite: its path from the root, and its text.
fn citing() -> Result<Vec<(String, String)>, Box<dyn Error>> {
    let mut paths: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(root())? {
        let path = entry?.path();
        if path.is_file() {
            paths.push(path);
        }
    }
    for folder in ["src", "tests", "examples", "audits", "ci", "fixtures"] {
        if root().join(folder).is_dir() {
            paths.extend(files_under(&root().join(folder))?);
        }
    }
    let mut texts = Vec::new();
    for path in paths {
        let extension = path
            .extension()
            .and_then(|e| e.to_str())
            .unwrap_or_default();
        let named = path
            .strip_prefix(root())?
            .to_string_lossy()
            .replace('\\', "/");
        let is_text = matches!(
            extension,
            "rs" | "md" | "toml" | "py" | "sh" | "yml" | "cpp"
        );
        let is_script = extension.is_empty() && named.starts_with("ci/");
        if (is_text || is_script) && named != "tests/citations.rs" {
            texts.push((named, fs::read_to_string(&path)?));
        }
    }
    Ok(texts)
}

#[test]
fn every_citation_names_a_page_and_a_heading() -> Result<(), Box<dyn Error>> {
    let pages = pages()?;
    let texts = citing()?;
    let cites = |(_, text): &&(String, String)| flat(text).to_lowercase().contains("guide: ");
    assert!(
        texts.iter().filter(cites).count() > 20,
        "nobody cites the guide"
    );
    let faults: Vec<String> = texts
        .iter()
        .flat_map(|(path, text)| faults(path, text, &pages))
        .collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    Ok(())
}

#[test]
fn every_page_is_declared_and_built_alike() -> Result<(), Box<dyn Error>> {
    let pages = pages()?;
    let declared = fs::read_to_string(root().join("src/guide/mod.rs"))?;
    let mut faults = Vec::new();
    for page in pages.keys() {
        let text = fs::read_to_string(root().join(format!("src/guide/{page}.md")))?;
        faults.extend(faults_of_page(page, &text, &pages));
        if !declared.contains(&format!("[{page}]: {page}\n")) {
            faults.push(format!("src/guide/mod.rs: declare `{page}`"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    Ok(())
}

fn small() -> Pages {
    let page = "# The recipe\n\n## Metric\n```text\n# no heading\n```\n### What it costs, in all\n";
    Pages::from([("recipe".to_owned(), headings(page))])
}

/// A file, what it says, and what must be said of it.
const PLANTED: &[(&str, &str, &str)] = &[
    (
        "src/a.rs",
        "/// Guide: receipt, \"Metric\".",
        "no page `receipt`",
    ),
    (
        "src/a.rs",
        "// guide: recipe, \"Metrics\"",
        "no heading \"Metrics\"",
    ),
    (
        "src/a.rs",
        "// guide: recipe, \"no heading\"",
        "no heading \"no heading\"",
    ),
    (
        "src/a.rs",
        "//! Guide: recipe,\n//! \"Meter\".",
        "no heading \"Meter\"",
    ),
    (
        "src/a.rs",
        "// guide: recipe, Metric",
        "write the heading too",
    ),
    (
        "src/a.rs",
        "//! See the guide: recipe.",
        "write the heading too",
    ),
    (
        "src/a.rs",
        "/// Source: recipe.md, Metric.",
        "`recipe.md` is no citation",
    ),
    (
        "ci/look",
        "# facts.md: a tolerance",
        "`facts.md` is no citation",
    ),
    (
        "src/a.rs",
        "/// [`crate::guide::recipes`]",
        "no page `recipes`",
    ),
    (
        "README.md",
        "[x](src/guide/models.md)",
        "no src/guide/models.md",
    ),
    (
        "README.md",
        "[x](src/guide/recipe.md#metrics)",
        "no anchor #metrics",
    ),
    (
        "audits/a.toml",
        "# guide: recipe, \"Costs\"",
        "no heading \"Costs\"",
    ),
    (
        "src/guide/a.md",
        "see [recipe], \"Costs\"",
        "no heading \"Costs\"",
    ),
];

#[test]
fn a_planted_wrong_citation_is_found_however_it_is_written() {
    for (path, text, part) in PLANTED {
        let faults = faults(path, text, &small());
        assert!(
            faults.len() == 1 && faults[0].contains(part) && faults[0].contains(path),
            "{path}: {text}: {faults:?}"
        );
    }
}

#[test]
fn a_right_citation_is_not_found() {
    for (path, text) in [
        ("src/a.rs", "/// Guide: recipe, \"Metric\"."),
        (
            "src/a.rs",
            "/// Rows (guide: recipe,\n/// \"What it costs, in all\").",
        ),
        ("audits/a.toml", "# guide: recipe, \"The recipe\""),
        ("src/a.rs", "/// [`crate::guide::recipe`]"),
        (
            "README.md",
            "[x](src/guide/recipe.md), [y](src/guide/recipe.md#what-it-costs-in-all)",
        ),
        ("README.md", "Guide: [how to read it](src/guide/recipe.md)"),
        (
            "src/guide/a.md",
            "see [recipe], \"Metric\"\n\n[recipe]: recipe.md",
        ),
        ("src/a.rs", "// my-recipe.md, misguide: recipe"),
    ] {
        assert_eq!(faults(path, text, &small()), [""; 0], "{path}: {text}");
    }
}

#[test]
fn a_page_that_is_not_built_alike_is_found() {
    let pages = small();
    let good =
        "# A page\n\nIt says.\n\n```text\nx\n```\n\nNext: [recipe].\n\n[recipe]: recipe.md\n";
    assert_eq!(faults_of_page("a", good, &pages), [""; 0]);
    let long = good.replace("It says.", &"It says.\n".repeat(MOST_LINES));
    for (text, part) in [
        (good.replace("# A page\n\n", ""), "begin with a title"),
        (good.replace("Next: ", "See "), "end with `Next: `"),
        (good.replace("[recipe]: recipe.md", ""), "its definition"),
        (good.replace("```text", "```"), "name the language"),
        (long, "at most"),
    ] {
        let faults = faults_of_page("a", &text, &pages);
        assert!(faults.len() == 1 && faults[0].contains(part), "{faults:?}");
    }
}
