//! `unsaid report`: a finished run shown again.

use crate::bench::Bench;

const FILES: [(&str, &str); 5] = [
    ("md", "report.md"),
    ("csv", "leakage.csv"),
    ("json", "report.json"),
    ("html", "report.html"),
    ("junit", "junit.xml"),
];

#[test]
fn every_format_is_the_file_of_the_run() {
    let bench = Bench::new();
    let table = bench.finished("out");
    let mut all = String::new();
    for (format, file) in FILES {
        let outcome = bench.call(&["report", "out", "--format", format]).ended(0);
        assert_eq!(
            outcome.stdout,
            bench.read(&format!("out/{file}")),
            "{format}"
        );
        assert_eq!(outcome.stderr, "");
        all.push_str(&outcome.stdout);
    }
    assert_eq!(bench.call(&["report", "out"]).ended(0).stdout, table);
    assert_eq!(
        bench
            .call(&["report", "out", "--format", "table"])
            .ended(0)
            .stdout,
        table
    );
    let formats = FILES.map(|(format, _)| format).join(",");
    assert_eq!(
        bench
            .call(&["report", "out", "--format", &formats])
            .ended(0)
            .stdout,
        all
    );
}

#[test]
fn it_needs_neither_model_nor_cells() {
    let bench = Bench::with_model();
    let table = bench.finished("out");
    std::fs::remove_dir_all(bench.path("model")).expect("remove");
    std::fs::remove_dir_all(bench.path("out/seed-0")).expect("remove");
    let before = bench.tree("");
    assert_eq!(bench.call(&["report", "out"]).ended(0).stdout, table);
    for (format, file) in FILES {
        let shown = bench.call(&["report", "out", "--format", format]).ended(0);
        assert_eq!(shown.stdout, bench.read(&format!("out/{file}")), "{format}");
    }
    assert!(bench.tree("") == before, "showing writes nothing");
}

#[test]
fn it_is_fast() {
    let bench = Bench::new();
    bench.finished("out");
    let start = std::time::Instant::now();
    bench
        .call(&["report", "out", "--format", "html,md,json,csv,junit,table"])
        .ended(0);
    // Under a second where nothing else runs; tests run beside each other.
    assert!(
        start.elapsed().as_secs_f64() < 10.0,
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn what_is_no_finished_run_is_refused() {
    let bench = Bench::new();
    bench.refuses(
        &["report", "nowhere"],
        &["nowhere/report.json", "a finished run"],
    );
    bench.write("other/thesis.tex", "x");
    bench.refuses(
        &["report", "other"],
        &["other/report.json", "a finished run"],
    );
    bench.refuses(
        &["report", "tiny.toml"],
        &["tiny.toml/report.json", "a finished run"],
    );
    for text in ["", "{}", "[1]", "{\"schema_version\": \"99\"}"] {
        bench.write("bad/report.json", text);
        bench.refuses(&["report", "bad"], &["bad/report.json"]);
    }
    bench.refuses(&["report"], &["<RUN>"]);
}

#[test]
fn the_machine_readable_formats_can_be_read() {
    let bench = Bench::new();
    bench.finished("out");
    let rows = bench.rows("out");
    let rows = rows.as_array().expect("rows");
    let text = bench.read("out/leakage.csv");
    let mut csv = csv::Reader::from_reader(text.as_bytes());
    let headers = csv.headers().expect("a header").clone();
    let records: Vec<csv::StringRecord> = csv.records().map(|r| r.expect("a record")).collect();
    assert_eq!(records.len(), rows.len());
    let statistic = headers
        .iter()
        .position(|h| h == "statistic")
        .expect("the column");
    for (record, row) in records.iter().zip(rows) {
        assert_eq!(Some(&record[statistic]), row["statistic"].as_str());
    }
    // What does not apply is null, never absent, so that every row has every key.
    for row in rows {
        for key in &headers {
            assert!(row.get(key).is_some(), "{key}: {row}");
        }
    }
}
