//! `report.html` as it is read: its numbers, its pictures, and that nothing leaves it.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::bench::Bench;
use crate::html::{Piece, pieces, shows, tables};

/// The tiers in the order of the page.
const TIERS: [&str; 3] = ["extraction", "partial", "recognition"];

/// Holds the page of a run against its `report.json`. Gives how many numbers were compared.
fn compare(run: &Path) -> usize {
    let page = fs::read_to_string(run.join("report.html")).expect("a page");
    let text = fs::read_to_string(run.join("report.json")).expect("a report");
    let report: Value = serde_json::from_str(&text).expect("JSON");
    let tables = tables(&page);
    let table = |caption: &str| {
        let found = tables.iter().find(|t| t.caption.starts_with(caption));
        found.unwrap_or_else(|| panic!("no table {caption}"))
    };
    let rows = report["rows"].as_array().expect("rows");
    let mut audited: Vec<&Value> = rows
        .iter()
        .filter(|row| row["role"] == "audit" && row["scope"] == "checkpoint")
        .collect();
    audited.sort_by_key(|row| TIERS.iter().position(|tier| row["tier"] == *tier));
    let leakage = table("Audit rows");
    assert_eq!(leakage.rows.len(), audited.len());
    let mut compared = 0;
    for (cells, row) in leakage.rows.iter().zip(audited) {
        let mut check = |head: &str, value: &Value| {
            let shown = leakage.under(cells, head);
            assert!(shows(&shown, value), "{head}: {shown} for {value} in {row}");
            compared += 1;
        };
        check("held-out", &row["estimate"]);
        if !row["control"].is_null() {
            check("control", &row["control_estimate"]);
        }
        check("AUC", &row["auc"]);
        check("TPR, high", &row["tpr_at_1pct_fpr"]);
        check("TPR, low", &row["tpr_low_at_1pct_fpr"]);
        check("p", &row["p_value"]);
        check("adj. p", &row["p_adjusted"]);
        check("min. detectable", &row["min_detectable"]);
        check("to rule out", &row["smallest_effect"]);
        let verdict = leakage
            .under(cells, "verdict")
            .to_lowercase()
            .replace(' ', "_");
        assert_eq!(row["verdict"], verdict);
        if row["ci_of"] == "auc" {
            let interval = leakage.under(cells, "95 % int.");
            let (low, high) = interval.split_once('–').expect("two ends");
            assert!(
                shows(low, &row["ci_low"]) && shows(high, &row["ci_high"]),
                "{interval}"
            );
            compared += 2;
        }
    }
    let seeds = table("Seeds one by one");
    let scores = report["figures"]["per_seed"].as_array().expect("scores");
    let values: Vec<&Value> = scores
        .iter()
        .flat_map(|s| s["values"].as_array().expect("values"))
        .collect();
    assert_eq!(seeds.rows.len(), values.len());
    for (cells, value) in seeds.rows.iter().zip(values) {
        for (head, key) in [
            ("seed", "seed"),
            ("held-out", "estimate"),
            ("control", "control_estimate"),
            ("AUC", "auc"),
        ] {
            let shown = seeds.under(cells, head);
            assert!(shows(&shown, &value[key]), "{head}: {shown} for {value}");
            compared += 1;
        }
    }
    let gate = table("Rules of the gate");
    assert_eq!(
        gate.rows.len(),
        report["gate"]["rules"].as_array().expect("rules").len()
    );
    let tiers = table("Verdict by tier");
    for (cells, tier) in tiers.rows.iter().zip(TIERS) {
        let verdict = tiers
            .under(cells, "verdict")
            .to_lowercase()
            .replace(' ', "_");
        assert_eq!(report["tiers"][tier], verdict);
    }
    compared
}

#[test]
fn the_tables_numbers_are_the_reports() {
    let bench = Bench::new();
    bench.finished("out");
    assert!(compare(&bench.path("out")) > 50);
    if cfg!(feature = "torch") {
        bench.finish("seeds", &["--quiet", "--seed", "3", "--seed", "5"]);
        assert!(compare(&bench.path("seeds")) > 100);
    }
    // Any other run, as the quick audit's.
    if let Some(run) = std::env::var_os("UNSAID_PAGE_RUN") {
        assert!(compare(Path::new(&run)) > 50);
    }
}

#[test]
fn every_picture_has_a_name_and_stands_beside_the_page_too() {
    let bench = Bench::new();
    bench.finished("out");
    let pieces = pieces(&bench.read("out/report.html"));
    let ids: Vec<&str> = pieces
        .iter()
        .filter_map(|piece| match piece {
            Piece::Open(_, attributes) => attributes.iter().find(|(k, _)| k == "id"),
            _ => None,
        })
        .map(|(_, id)| id.as_str())
        .collect();
    let mut distinct = ids.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), ids.len(), "an id twice: {ids:?}");
    let mut plots = Vec::new();
    for (at, piece) in pieces.iter().enumerate() {
        let Piece::Open(name, attributes) = piece else {
            continue;
        };
        let value = |key: &str| {
            attributes
                .iter()
                .find(|(k, _)| k == key)
                .map(|(_, v)| v.as_str())
        };
        if name == "a" {
            let target = value("href")
                .and_then(|h| h.strip_prefix('#'))
                .expect("within the page");
            assert!(ids.contains(&target), "{target}");
        }
        if name == "svg" {
            assert_eq!(value("role"), Some("img"));
            let labels = value("aria-labelledby").expect("a name");
            assert!(
                labels.split(' ').all(|label| ids.contains(&label)),
                "{labels}"
            );
            for after in [2, 5] {
                let Piece::Text(text) = &pieces[at + after] else {
                    panic!("no title and description: {:?}", &pieces[at..at + 7]);
                };
                assert!(text.trim().len() > 3, "{text}");
            }
            plots.push(labels.split_once("-title").expect("its title").0.to_owned());
        }
    }
    assert!(plots.len() >= 10, "{plots:?}");
    for plot in plots {
        let file = bench.read(&format!("out/plots/{plot}.svg"));
        assert!(
            file.starts_with("<svg ") && file.ends_with("</svg>\n"),
            "{plot}"
        );
    }
}

#[test]
fn nothing_leaves_the_page() {
    let bench = Bench::new();
    bench.finished("out");
    let page = bench.read("out/report.html");
    assert!(page.contains("default-src 'none'; style-src 'unsafe-inline'"));
    for piece in pieces(&page) {
        let Piece::Open(name, attributes) = piece else {
            continue;
        };
        let loads = [
            "script", "link", "img", "iframe", "object", "embed", "image", "use", "base", "form",
        ];
        assert!(!loads.contains(&name.as_str()), "<{name}>");
        for (key, value) in attributes {
            assert!(
                !["src", "srcset", "action", "style"].contains(&key.as_str())
                    && !key.starts_with("on"),
                "{key}"
            );
            assert!(
                key == "xmlns" || !value.contains("//") || key == "aria-label",
                "{key}={value}"
            );
        }
    }
    let style = page
        .split("<style>")
        .nth(1)
        .and_then(|s| s.split("</style>").next())
        .expect("style");
    assert!(!style.contains("url(") && !style.contains("@import"));
}

#[cfg(feature = "torch")]
#[test]
fn a_model_named_script_is_shown_and_not_run() {
    let bench = Bench::with_model();
    let name = "<script>alert(1)<|`x`";
    fs::rename(bench.path("model"), bench.path(name)).expect("rename");
    bench.finish(
        "out",
        &["--quiet", "--set", &format!("model.path='{name}'")],
    );
    let shown = pieces(&bench.read("out/report.html"));
    let text = |p: &Piece| matches!(p, Piece::Text(text) if text.contains(name));
    assert!(shown.iter().any(text), "the name is shown");
    assert!(
        !shown
            .iter()
            .any(|p| matches!(p, Piece::Open(name, _) if name == "script"))
    );
    assert!(
        bench
            .read("out/report.md")
            .contains("&lt;script&gt;alert(1)&lt;\\|\\`x\\`")
    );
}
