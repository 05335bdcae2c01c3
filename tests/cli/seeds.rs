//! The same seed makes the same run; another makes another.

use std::fs;

use crate::bench::{Bench, CELL};

fn bytes(bench: &Bench, name: &str) -> Vec<u8> {
    fs::read(bench.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

#[test]
fn the_same_seed_twice_is_the_same_run() {
    let bench = Bench::new();
    bench.finish("one", &["--quiet"]);
    bench.finish("two", &["--quiet"]);
    for file in CELL {
        let [one, two] = ["one", "two"].map(|out| bytes(&bench, &format!("{out}/seed-0/{file}")));
        assert!(one == two, "{file}");
    }
    assert_eq!(bench.rows("one"), bench.rows("two"));
    assert_eq!(bench.read("one/leakage.csv"), bench.read("two/leakage.csv"));
}

#[test]
fn another_seed_is_another_run() {
    let bench = Bench::new();
    bench.finish("one", &["--quiet"]);
    bench.finish("two", &["--quiet", "--seed", "1"]);
    assert!(!bench.path("two/seed-0").exists());
    for file in CELL {
        let [one, two] =
            ["one/seed-0", "two/seed-1"].map(|cell| bytes(&bench, &format!("{cell}/{file}")));
        assert!(one != two, "{file}");
    }
    assert!(bench.rows("one") != bench.rows("two"));
}

#[test]
fn seeds_are_cells_of_one_run_and_know_nothing_of_each_other() {
    let bench = Bench::new();
    bench.finish("both", &["--quiet", "--seed", "0", "--seed", "1"]);
    bench.finish("zero", &["--quiet", "--seed", "0"]);
    bench.finish("one", &["--quiet", "--seed", "1"]);
    for (alone, cell) in [("zero", "seed-0"), ("one", "seed-1")] {
        for file in CELL {
            let [whole, part] =
                ["both", alone].map(|out| bytes(&bench, &format!("{out}/{cell}/{file}")));
            assert!(whole == part, "{cell}/{file}");
        }
    }
    assert_eq!(
        bench.json("both/report.json")["seeds"],
        serde_json::json!([0, 1])
    );
    let rows = bench.rows("both");
    for row in rows.as_array().expect("rows") {
        assert_eq!(row["seeds"], serde_json::json!([0, 1]), "{row}");
    }
}

#[test]
fn the_spec_names_seeds_as_the_option_does() {
    let bench = Bench::with_spec("seeds = [0]", "seeds = [1]");
    bench.finish("spec", &["--quiet"]);
    bench.finish("option", &["--quiet", "--seed", "1"]);
    assert_eq!(bench.read("spec/spec.toml"), bench.read("option/spec.toml"));
    assert_eq!(bench.rows("spec"), bench.rows("option"));
}
